"""Connecting, logging in, losing the session: what every client meets first."""

from __future__ import annotations

import gzip
import http.client
import ssl
import threading
import time
from typing import Any
from xml.etree import ElementTree

import pytest
from pyVim.connect import Disconnect, SmartStubAdapter, VimSessionOrientedStub
from pyVmomi import SoapStubAdapter, vim, vmodl

from ingest.errors import UsageError
from ingest.twin.certificate import TwinCertificate
from ingest.twin.vcenter import VCenterServer, VCenterSettings
from ingest.twin.world import World

from .conftest import connect, machine, spec_for

ENVELOPE = (
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">'
    "<soapenv:Body>{}</soapenv:Body></soapenv:Envelope>"
)
CONTENT = '<RetrieveServiceContent xmlns="urn:vim25"><_this type="ServiceInstance">ServiceInstance</_this></{}>'.format(
    "RetrieveServiceContent"
)


def post(connection: http.client.HTTPSConnection, call: str, **headers: str) -> tuple[int, Any, bytes]:
    connection.request("POST", "/sdk", ENVELOPE.format(call).encode(), headers)
    response = connection.getresponse()
    return response.status, response.headers, response.read()


@pytest.fixture
def raw(server: VCenterServer) -> Any:
    context = server.certificate.client_context()
    connection = http.client.HTTPSConnection(server.host, server.port, context=context, timeout=10)
    yield connection
    connection.close()


def test_smart_connect_tells_a_vcenter_of_the_worlds_version(si: Any, world: World) -> None:
    about = si.content.about
    assert (about.apiType, about.version, about.apiVersion) == ("VirtualCenter", "8.0.2", "8.0.2.0")
    assert about.instanceUuid == world.vcenter_uuid
    assert si._stub.version == "vim.version.v8_0_2_0"
    assert abs(si.CurrentTime().timestamp() - time.time()) < 60
    assert si.content.sessionManager.currentSession.userName == world.vcenter_user


@pytest.mark.parametrize(("product", "api"), [("6.7", "6.7.3"), ("7.0.3", "7.0.3.2"), ("8.0.2", "8.0.2.0")])
def test_the_version_list_follows_the_product(
    world: World, certificate: TwinCertificate, product: str, api: str
) -> None:
    world.vcenter_version = product
    with VCenterServer(world, certificate=certificate) as server:
        context = certificate.client_context()
        connection = http.client.HTTPSConnection(server.host, server.port, context=context)
        connection.request("GET", "/sdk/vimServiceVersions.xml")
        root = ElementTree.fromstring(connection.getresponse().read())
        connection.close()
    assert root.get("version") == "1.0"
    assert root.findtext("namespace/version") == api
    assert "5.5" in [item.text for item in root.findall("namespace/priorVersions/version")]


@pytest.mark.parametrize("user", ["administrator@vsphere.local", "nobody"])
def test_a_wrong_password_or_user_is_invalid_login(server: VCenterServer, user: str) -> None:
    stub = SmartStubAdapter(
        host=server.host, port=server.port, sslContext=server.certificate.client_context(), connectionPoolTimeout=0
    )
    content = vim.ServiceInstance("ServiceInstance", stub).RetrieveContent()
    password = "wrong" if "@" in user else server.world.vcenter_password
    with pytest.raises(vim.fault.InvalidLogin, match="incorrect user name or password"):
        content.sessionManager.Login(user, password, None)
    stub.DropConnections()


def test_a_client_that_trusts_another_ca_is_not_served(server: VCenterServer) -> None:
    other = TwinCertificate().client_context()
    connection = http.client.HTTPSConnection(server.host, server.port, context=other)
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.request("GET", "/sdk/vimServiceVersions.xml")
    connection.close()


def test_the_fingerprint_is_the_one_served(server: VCenterServer) -> None:
    pem = ssl.get_server_certificate((server.host, server.port))
    assert pem == server.certificate.leaf_pem.decode()
    assert len(server.sha256) == 64


def test_only_the_service_content_is_for_everybody(server: VCenterServer) -> None:
    stub = SmartStubAdapter(host=server.host, port=server.port, sslContext=server.certificate.client_context())
    service = vim.ServiceInstance("ServiceInstance", stub)
    assert service.content.rootFolder._moId == "group-d1"
    for call in (service.CurrentTime, lambda: vim.VirtualMachine("vm-100", stub).name):
        with pytest.raises(vim.fault.NotAuthenticated):
            call()
    stub.DropConnections()


def test_after_logout_the_session_is_gone(server: VCenterServer) -> None:
    instance = connect(server)
    stub = instance._stub
    Disconnect(instance)
    with pytest.raises(vim.fault.NotAuthenticated):
        instance.CurrentTime()
    stub.DropConnections()


def test_with_the_session_go_its_views_filters_and_tokens(server: VCenterServer) -> None:
    query = vmodl.query.PropertyCollector
    instance = connect(server)
    content = instance.RetrieveContent()
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    spec = spec_for(view, vim.VirtualMachine, ["name"])
    page = content.propertyCollector.RetrievePropertiesEx([spec], query.RetrieveOptions(maxObjects=1))
    made = content.propertyCollector.CreateFilter(spec, True)
    own = content.propertyCollector.CreatePropertyCollector()
    content.sessionManager.Logout()
    content.sessionManager.Login(server.world.vcenter_user, server.world.vcenter_password, None)
    assert content.propertyCollector.filter == []
    for gone in (lambda: view.view, made.Destroy, own.Destroy, lambda: own.CheckForUpdates("")):
        with pytest.raises(vmodl.fault.ManagedObjectNotFound):
            gone()
    with pytest.raises(vmodl.fault.InvalidArgument, match="token"):
        content.propertyCollector.ContinueRetrievePropertiesEx(page.token)
    Disconnect(instance)


def test_a_session_ends_when_all_are_ended(server: VCenterServer, si: Any) -> None:
    server.end_sessions()
    with pytest.raises(vim.fault.NotAuthenticated):
        si.CurrentTime()


@pytest.mark.parametrize(
    ("limits", "pause_s"), [(VCenterSettings(session_calls=3), 0.0), (VCenterSettings(session_idle_s=0.05), 0.1)]
)
def test_a_session_expires_after_calls_or_idleness(
    world: World, certificate: TwinCertificate, limits: VCenterSettings, pause_s: float
) -> None:
    def call_often(instance: Any) -> None:
        for _ in range(3):
            instance.CurrentTime()

    with VCenterServer(world, settings=limits, certificate=certificate) as server:
        instance = connect(server)
        instance.CurrentTime()
        time.sleep(pause_s)
        with pytest.raises(vim.fault.NotAuthenticated):
            call_often(instance)
        instance._stub.DropConnections()


def test_a_session_that_waits_for_updates_is_not_idle(world: World, certificate: TwinCertificate) -> None:
    query = vmodl.query.PropertyCollector
    world.clock.run_at(1000)  # the wait takes 0.3 s
    with VCenterServer(world, settings=VCenterSettings(session_idle_s=100.0), certificate=certificate) as server:
        instance = connect(server)
        collector = instance.content.propertyCollector
        assert collector.WaitForUpdatesEx("", query.WaitOptions(maxWaitSeconds=300)) is None
        assert instance.CurrentTime() is not None
        instance._stub.DropConnections()


def test_the_session_oriented_stub_logs_in_again(server: VCenterServer) -> None:
    inner = SoapStubAdapter(
        host=server.host, port=server.port, version="vim.version.v8_0_2_0",
        sslContext=server.certificate.client_context(),
    )  # fmt: skip
    login = VimSessionOrientedStub.makeUserLoginMethod(server.world.vcenter_user, server.world.vcenter_password)
    stub = VimSessionOrientedStub(inner, login, retryDelay=0.01)
    service = vim.ServiceInstance("ServiceInstance", stub)
    service.CurrentTime()
    server.end_sessions()
    assert service.CurrentTime() is not None
    assert server.calls["Login"] == 2
    inner.DropConnections()


def test_what_the_twin_does_not_do_is_method_not_found(si: Any) -> None:
    with pytest.raises(vmodl.fault.MethodNotFound) as caught:
        machine(si, 100).Destroy()
    assert caught.value.method == "Destroy_Task"


def test_requests_nobody_can_understand_are_faults(raw: http.client.HTTPSConnection) -> None:
    target = '<_this type="ServiceInstance">ServiceInstance</_this>'
    for call, words in (
        ("<unclosed>", b"not well-formed"),
        ('<Login xmlns="urn:vim25"/>', b"no _this"),
        (f'<Nonsense xmlns="urn:vim25">{target}</Nonsense>', b"Method not found"),
        (f'<CurrentTime xmlns="urn:vim25">{target}<more/></CurrentTime>', b"Unexpected element more"),
        (
            '<Login xmlns="urn:vim25"><_this type="SessionManager">SessionManager</_this></Login>',
            b"userName is missing",
        ),
        ('<CurrentTime xmlns="urn:vim25"><_this type="Spaceship">x</_this></CurrentTime>', b"not a managed object"),
    ):
        status, _, body = post(raw, call)
        assert (status, words in body) == (500, True), (call, body)


def test_other_paths_are_not_found(raw: http.client.HTTPSConnection) -> None:
    raw.request("GET", "/ui")
    response = raw.getresponse()
    assert (response.status, response.read()) == (404, b"")


def test_a_connection_is_kept_and_small_calls_wait_for_no_acknowledgement(raw: http.client.HTTPSConnection) -> None:
    post(raw, CONTENT)
    used = raw.sock
    took = []
    for _ in range(30):
        began = time.perf_counter()
        assert post(raw, CONTENT)[0] == 200
        took.append(time.perf_counter() - began)
    # A delayed acknowledgement costs every call 40 ms; a busy machine does not slow down all of them.
    assert min(took) < 0.03
    assert raw.sock is used


def test_requests_may_come_in_chunks(raw: http.client.HTTPSConnection) -> None:
    """Go clients send no length."""
    whole = ENVELOPE.format(CONTENT).encode()
    for _ in range(2):
        raw.request("POST", "/sdk", iter([whole[:10], whole[10:]]), encode_chunked=True)
        response = raw.getresponse()
        assert (response.status, b"rootFolder" in response.read()) == (200, True)
    raw.request("POST", "/sdk", b"zz\r\n", {"Transfer-Encoding": "chunked"})
    assert raw.getresponse().status == 400


def test_gzip_only_for_clients_that_accept_it(world: World, certificate: TwinCertificate) -> None:
    with VCenterServer(world, settings=VCenterSettings(compress_from_bytes=500), certificate=certificate) as server:
        context = certificate.client_context()
        connection = http.client.HTTPSConnection(server.host, server.port, context=context)
        _, plain_headers, plain = post(connection, CONTENT)
        _, headers, packed = post(connection, CONTENT, **{"Accept-Encoding": "gzip, deflate"})
        connection.close()
        instance = connect(server)  # pyvmomi accepts gzip
        assert len(instance.content.rootFolder.childEntity) == 1
        Disconnect(instance)
    assert plain_headers["Content-Encoding"] is None
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == plain


def test_threads_share_a_stub(si: Any, world: World) -> None:
    wrong: list[object] = []

    def read(number: int) -> None:
        for _ in range(20):
            name = machine(si, number).name
            if name != world.vms[f"vm-{number}"].name:
                wrong.append(name)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(100, 108)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org"])
def test_other_machines_are_kept_out(world: World, host: str) -> None:
    with pytest.raises(UsageError, match="not a loopback address"):
        VCenterServer(world, host=host)


def test_stop_cuts_open_connections_and_may_be_repeated(world: World, certificate: TwinCertificate) -> None:
    server = VCenterServer(world, certificate=certificate).start()
    instance = connect(server)
    server.stop()
    server.stop()
    with pytest.raises((OSError, http.client.HTTPException)):
        instance.CurrentTime()
    instance._stub.DropConnections()


def test_anybody_may_ask_whether_they_are_logged_in(server: VCenterServer, si: Any) -> None:
    stub = SmartStubAdapter(host=server.host, port=server.port, sslContext=server.certificate.client_context())
    manager = vim.ServiceInstance("ServiceInstance", stub).content.sessionManager
    assert manager.currentSession is None
    with pytest.raises(vim.fault.NotAuthenticated):
        len(manager.sessionList)
    key = si.content.sessionManager.currentSession.key
    assert si.content.sessionManager.SessionIsActive(key, server.world.vcenter_user) is True
    si.content.sessionManager.TerminateSession([key])
    with pytest.raises(vim.fault.NotAuthenticated):
        si.CurrentTime()
    stub.DropConnections()


def test_a_world_that_makes_no_sense_is_a_fault_not_a_lost_connection(si: Any, world: World) -> None:
    world.vms["vm-101"].disks[0].controller = "floppy"  # type: ignore[assignment]
    with pytest.raises(vmodl.fault.SystemError):
        len(machine(si, 101).config.hardware.device)
    assert machine(si, 101).name == "vm101"
