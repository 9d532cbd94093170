// Command vcsim serves VMware's own vCenter simulator (the simulator package of govmomi) on loopback.
//
// It is a second, independent vCenter for our tests: what reads both this and the twin correctly does not depend on
// the twin's own reading of the vSphere API. The flags have the names and meanings of the upstream command of the
// same name, which is not available as a Go module. When it is ready it prints one line and then serves until it is
// told to stop (SIGINT, SIGTERM) or its standard input ends with -until-eof:
//
//	export GOVC_URL=https://user:pass@127.0.0.1:43210/sdk
package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/vmware/govmomi/simulator"
)

type options struct {
	listen   string
	load     string
	delayMs  int
	username string
	password string
	untilEOF bool
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("vcsim: ")
	model := simulator.VPX()
	if err := serve(model, parse(model)); err != nil {
		log.Fatal(err)
	}
}

func parse(model *simulator.Model) options {
	var chosen options
	flag.StringVar(&chosen.listen, "l", "127.0.0.1:0", "Loopback address and port to listen on, port 0 for a free one")
	flag.StringVar(&chosen.load, "load", "", "Directory of a recording (govc object.save) to serve instead of a made-up inventory")
	flag.IntVar(&chosen.delayMs, "delay", 0, "Delay of every call in milliseconds")
	flag.StringVar(&chosen.username, "username", "", "The only user let in; anyone is when unset")
	flag.StringVar(&chosen.password, "password", "", "Password of that user")
	flag.BoolVar(&chosen.untilEOF, "until-eof", false, "Also stop when standard input ends, so that no server outlives its test run")
	about := &model.ServiceContent.About
	flag.StringVar(&about.ApiVersion, "api-version", about.ApiVersion, "API version to announce")
	flag.IntVar(&model.Datacenter, "dc", model.Datacenter, "Datacenters")
	flag.IntVar(&model.Cluster, "cluster", model.Cluster, "Clusters per datacenter")
	flag.IntVar(&model.ClusterHost, "host", model.ClusterHost, "Hosts per cluster")
	flag.IntVar(&model.Host, "standalone-host", model.Host, "Standalone hosts per datacenter")
	flag.IntVar(&model.Machine, "vm", model.Machine, "Virtual machines per resource pool")
	flag.IntVar(&model.Pool, "pool", model.Pool, "Resource pools per cluster")
	flag.IntVar(&model.Portgroup, "pg", model.Portgroup, "Distributed port groups per datacenter")
	flag.IntVar(&model.OpaqueNetwork, "nsx", model.OpaqueNetwork, "NSX opaque networks per datacenter")
	flag.IntVar(&model.PortgroupNSX, "pg-nsx", model.PortgroupNSX, "NSX distributed port groups per datacenter")
	flag.IntVar(&model.App, "app", model.App, "Virtual apps per cluster")
	flag.IntVar(&model.Folder, "folder", model.Folder, "Datacenters placed within folders")
	flag.IntVar(&model.Pod, "pod", model.Pod, "Storage pods per datacenter")
	flag.IntVar(&model.Datastore, "ds", model.Datastore, "Local datastores per datacenter")
	flag.Parse()
	return chosen
}

func serve(model *simulator.Model, chosen options) error {
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	if err := requireLoopback(chosen.listen); err != nil {
		return err
	}
	if (chosen.username == "") != (chosen.password == "") {
		return errors.New("-username and -password go together")
	}
	if err := populate(model, chosen); err != nil {
		return err
	}
	defer model.Remove()

	model.Service.Listen = &url.URL{Host: chosen.listen}
	if chosen.username != "" {
		model.Service.Listen.User = url.UserPassword(chosen.username, chosen.password)
	}
	model.Service.TLS = new(tls.Config)
	server := model.Service.NewServer()
	defer server.Close()
	fmt.Printf("export GOVC_URL=%s\n", server.URL)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	if chosen.untilEOF {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop <- syscall.SIGTERM
		}()
	}
	<-stop
	return nil
}

func populate(model *simulator.Model, chosen options) error {
	if chosen.load == "" {
		model.DelayConfig.Delay = chosen.delayMs
		return model.Create()
	}
	if chosen.delayMs != 0 {
		// The simulator package hands the delay to the service in Create only.
		return errors.New("-delay has no effect on a loaded recording")
	}
	if err := model.Load(chosen.load); err != nil {
		return fmt.Errorf("%s: %w", chosen.load, err)
	}
	return nil
}

func requireLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("-l %s: %w", address, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("-l %s: only loopback addresses are served", address)
	}
	return nil
}
