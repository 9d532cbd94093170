// Command govmomiclient is a small client of a vCenter, made of VMware's Go library: the second independent client our twin
// has to satisfy. It reads every VM through a container view, finds each again by its inventory path, and with
// -power-off waits for the task of one VM; with -pages it asks for pages of so many objects. It prints JSON:
//
//	{"about": {...}, "vms": [...], "task": {"state": "success"}}
//
// Where to connect is in the variables govc uses: GOVC_URL, GOVC_USERNAME, GOVC_PASSWORD, GOVC_TLS_CA_CERTS.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/url"
	"os"
	"time"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/task"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const patience = 60 * time.Second

var kinds = []string{"VirtualMachine"}
var properties = []string{"name", "runtime.powerState", "config.instanceUuid", "config.hardware.device", "guest.net"}

type disk struct {
	Key        int32  `json:"key"`
	ID         string `json:"id"`
	Bytes      int64  `json:"bytes"`
	Controller int32  `json:"controller"`
	File       string `json:"file"`
}

type card struct {
	Key     int32    `json:"key"`
	MAC     string   `json:"mac"`
	Class   string   `json:"class"`
	Network string   `json:"network"`
	IPs     []string `json:"ips"`
}

type machine struct {
	Moref        string `json:"moref"`
	Name         string `json:"name"`
	Path         string `json:"path"`
	FoundAs      string `json:"foundAs"`
	PowerState   string `json:"powerState"`
	InstanceUUID string `json:"instanceUuid"`
	Devices      int    `json:"devices"`
	Disks        []disk `json:"disks"`
	Cards        []card `json:"cards"`
}

type outcome struct {
	State string `json:"state"`
	Fault string `json:"fault"`
	After string `json:"after"`
}

type report struct {
	About types.AboutInfo `json:"about"`
	VMs   []machine       `json:"vms"`
	Task  *outcome        `json:"task,omitempty"`
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("govmomiclient: ")
	powerOff := flag.String("power-off", "", "Managed object id of a VM to switch off")
	pages := flag.Int("pages", 0, "Objects per page, 0 for what the server gives")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	found, err := run(ctx, *powerOff, int32(*pages))
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, powerOff string, pages int32) (*report, error) {
	client, logout, err := connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	defer logout()
	found := &report{About: client.ServiceContent.About}
	if found.VMs, err = machines(ctx, client, pages); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if powerOff != "" {
		if found.Task, err = switchOff(ctx, client, powerOff); err != nil {
			return nil, fmt.Errorf("power off: %w", err)
		}
	}
	return found, nil
}

func connect(ctx context.Context) (*vim25.Client, func(), error) {
	address, err := soap.ParseURL(os.Getenv("GOVC_URL"))
	if err != nil {
		return nil, nil, err
	}
	transport := soap.NewClient(address, false)
	if err := transport.SetRootCAs(os.Getenv("GOVC_TLS_CA_CERTS")); err != nil {
		return nil, nil, err
	}
	client, err := vim25.NewClient(ctx, transport)
	if err != nil {
		return nil, nil, err
	}
	manager := session.NewManager(client)
	user := url.UserPassword(os.Getenv("GOVC_USERNAME"), os.Getenv("GOVC_PASSWORD"))
	if err := manager.Login(ctx, user); err != nil {
		return nil, nil, err
	}
	return client, func() { _ = manager.Logout(ctx) }, nil
}

func machines(ctx context.Context, client *vim25.Client, pages int32) ([]machine, error) {
	all, err := view.NewManager(client).CreateContainerView(ctx, client.ServiceContent.RootFolder, kinds, true)
	if err != nil {
		return nil, err
	}
	defer func() { _ = all.Destroy(ctx) }()
	rows, err := retrieve(ctx, client, all.Reference(), pages)
	if err != nil {
		return nil, err
	}
	finder, index := find.NewFinder(client), object.NewSearchIndex(client)
	found := make([]machine, 0, len(rows))
	for _, row := range rows {
		one := described(row)
		element, err := finder.Element(ctx, row.Reference())
		if err != nil {
			return nil, fmt.Errorf("path of %s: %w", one.Moref, err)
		}
		one.Path = element.Path
		again, err := index.FindByInventoryPath(ctx, one.Path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", one.Path, err)
		}
		if again != nil {
			one.FoundAs = again.Reference().Value
		}
		found = append(found, one)
	}
	return found, nil
}

// retrieve reads the members of a view, page by page when asked.
func retrieve(ctx context.Context, client *vim25.Client, members types.ManagedObjectReference, pages int32) ([]mo.VirtualMachine, error) {
	through := &types.TraversalSpec{Type: members.Type, Path: "view"}
	contents, err := mo.RetrievePropertiesEx(ctx, client, types.RetrievePropertiesEx{
		This: client.ServiceContent.PropertyCollector,
		SpecSet: []types.PropertyFilterSpec{{
			ObjectSet: []types.ObjectSpec{{
				Obj:       members,
				Skip:      types.NewBool(true),
				SelectSet: []types.BaseSelectionSpec{through},
			}},
			PropSet: []types.PropertySpec{{Type: kinds[0], PathSet: properties}},
		}},
		Options: types.RetrieveOptions{MaxObjects: pages},
	})
	if err != nil {
		return nil, err
	}
	var rows []mo.VirtualMachine
	return rows, mo.LoadObjectContent(contents, &rows)
}

func described(row mo.VirtualMachine) machine {
	one := machine{
		Moref:      row.Reference().Value,
		Name:       row.Name,
		PowerState: string(row.Runtime.PowerState),
		Disks:      []disk{},
		Cards:      []card{},
	}
	if row.Config == nil {
		return one
	}
	one.InstanceUUID = row.Config.InstanceUuid
	devices := object.VirtualDeviceList(row.Config.Hardware.Device)
	one.Devices = len(devices)
	for _, device := range devices {
		switch item := device.(type) {
		case *types.VirtualDisk:
			one.Disks = append(one.Disks, diskOf(item))
		case types.BaseVirtualEthernetCard:
			one.Cards = append(one.Cards, cardOf(item, row))
		}
	}
	return one
}

func diskOf(item *types.VirtualDisk) disk {
	found := disk{Key: item.Key, ID: item.DiskObjectId, Bytes: item.CapacityInBytes, Controller: item.ControllerKey}
	if backing, ok := item.Backing.(types.BaseVirtualDeviceFileBackingInfo); ok {
		found.File = backing.GetVirtualDeviceFileBackingInfo().FileName
	}
	return found
}

func cardOf(item types.BaseVirtualEthernetCard, row mo.VirtualMachine) card {
	common := item.GetVirtualEthernetCard()
	found := card{
		Key:   common.Key,
		MAC:   common.MacAddress,
		Class: object.VirtualDeviceList{}.TypeName(item.(types.BaseVirtualDevice)),
		IPs:   []string{},
	}
	switch backing := common.Backing.(type) {
	case *types.VirtualEthernetCardNetworkBackingInfo:
		if backing.Network != nil {
			found.Network = backing.Network.Value
		}
	case *types.VirtualEthernetCardDistributedVirtualPortBackingInfo:
		found.Network = backing.Port.PortgroupKey
	case *types.VirtualEthernetCardOpaqueNetworkBackingInfo:
		found.Network = backing.OpaqueNetworkId
	}
	if row.Guest == nil {
		return found
	}
	for _, seen := range row.Guest.Net {
		if seen.DeviceConfigId == common.Key {
			found.IPs = append(found.IPs, seen.IpAddress...)
		}
	}
	return found
}

// switchOff waits for the task; a task that failed is an outcome, a call that failed an error.
func switchOff(ctx context.Context, client *vim25.Client, moref string) (*outcome, error) {
	vm := object.NewVirtualMachine(client, types.ManagedObjectReference{Type: kinds[0], Value: moref})
	started, err := vm.PowerOff(ctx)
	if err != nil {
		return nil, err
	}
	info, err := started.WaitForResult(ctx)
	found := &outcome{}
	if failure := (task.Error{}); errors.As(err, &failure) {
		found.Fault = fmt.Sprintf("%T", failure.Fault())
		found.State = string(types.TaskInfoStateError)
	} else if err != nil {
		return nil, err
	} else {
		found.State = string(info.State)
	}
	after, err := vm.PowerState(ctx)
	if err != nil {
		return nil, err
	}
	found.After = string(after)
	return found, nil
}
