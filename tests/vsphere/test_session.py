from __future__ import annotations

import logging
import socket
import time
import traceback
from types import TracebackType

import pytest

from ingest.errors import (
    NotTheApi,
    Refused,
    SettingsError,
    Transient,
    Unauthorised,
    Untrusted,
    UsageError,
)
from ingest.vsphere.collect import collect
from ingest.vsphere.objects import network_row
from ingest.vsphere.session import VCenter, connect, require_vcenter
from ingest.vsphere.specs import NETWORKS
from tests.vsphere.conftest import Tls
from tests.vsphere.fake import PASSWORD, Answer, Fake, answer, fault, service_content, serving


def test_a_session_is_counted_and_logged_out(fake: Fake, tls: Tls) -> None:
    with connect(fake.endpoint(ca_file=tls.ca_file)) as vcenter:
        assert vcenter.requests == 3
        assert vcenter.api_type == "VirtualCenter"
        assert vcenter.about.version == "8.0.2"
        assert vcenter.about.instance_uuid == "u-1"
        require_vcenter(vcenter)
    assert fake.calls == ["GET", "RetrieveServiceContent", "Login", "Logout"]
    assert "session-1" in fake.cookies[-1]


def test_the_newest_version_both_sides_know_is_spoken(vcenter: VCenter) -> None:
    assert vcenter.stub.versionId == '"urn:vim25/8.0.2.0"'


def test_wrong_password_is_tried_once_and_never_shown(fake: Fake, tls: Tls, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fake.script["Login"] = [fault("InvalidLogin", "Cannot complete login due to an incorrect user name or password.")]
    with pytest.raises(Unauthorised) as caught:
        connect(fake.endpoint(ca_file=tls.ca_file))
    assert fake.calls.count("Login") == 1
    assert caught.value.exit_code == 2
    assert _nothing_holds_the_password(caught.value)
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("said", [fault("NotFound", "odd"), Answer("no", status=503), Answer("<x/>", cut=0.5)])
def test_a_failing_login_never_shows_the_password(fake: Fake, tls: Tls, said: Answer) -> None:
    fake.script["Login"] = [said]
    with pytest.raises((Refused, Transient)) as caught:
        connect(fake.endpoint(ca_file=tls.ca_file))
    assert fake.calls.count("Login") == 1
    assert _nothing_holds_the_password(caught.value)


def _nothing_holds_the_password(error: BaseException) -> bool:
    """Neither the printed chain nor any local variable of any frame in it, as rich tracebacks would show them."""
    shown = "".join(traceback.format_exception(error))
    link: BaseException | None = error
    while link is not None:
        shown += repr(link) + repr(link.__dict__)
        shown += "".join(_locals(link.__traceback__))
        link = link.__cause__ or link.__context__
    return PASSWORD not in shown


def _locals(step: TracebackType | None) -> list[str]:
    shown = []
    while step is not None:
        if "tests" not in step.tb_frame.f_code.co_filename:
            shown.append(repr(step.tb_frame.f_locals))
        step = step.tb_next
    return shown


def test_the_session_does_not_print_its_password(vcenter: VCenter) -> None:
    assert PASSWORD not in repr(vcenter) + repr(vcenter.endpoint) + repr(vars(vcenter))


def test_an_untrusted_certificate_on_loopback_is_refused_and_shown(fake: Fake, tls: Tls) -> None:
    # pyVmomi on its own skips the check for exactly this host.
    with pytest.raises(Untrusted) as caught:
        connect(fake.endpoint())
    assert tls.sha256 in caught.value.message
    assert "INGEST_VCENTER_CA_FILE" in caught.value.cure
    assert f"compare {tls.sha256}" in caught.value.cure
    assert "INGEST_VCENTER_SHA256" in caught.value.cure
    assert fake.calls == []


def test_another_ca_is_refused(fake: Fake, tls: Tls) -> None:
    with pytest.raises(Untrusted):
        connect(fake.endpoint(ca_file=tls.other_ca_file))
    assert fake.calls == []


def test_a_certificate_for_another_host_is_refused(fake: Fake, tls: Tls) -> None:
    with pytest.raises(Untrusted, match="localhost"):
        connect(fake.endpoint(ca_file=tls.ca_file, host="localhost"))
    assert fake.calls == []


def test_verification_can_be_switched_off_and_says_so(fake: Fake, caplog: pytest.LogCaptureFixture) -> None:
    with connect(fake.endpoint(verify_tls=False)):
        assert "is not verified" in caplog.text


@pytest.mark.parametrize("spelling", ["plain", "colons"])
def test_the_right_pin_connects(fake: Fake, tls: Tls, spelling: str) -> None:
    pin = tls.sha256 if spelling == "plain" else ":".join(tls.sha256[i : i + 2] for i in range(0, 64, 2)).upper()
    with connect(fake.endpoint(sha256=pin)) as vcenter:
        vcenter.content.sessionManager.Logout()
    assert fake.calls.count("Login") == 1


def test_a_wrong_pin_is_refused_before_anything_is_sent(fake: Fake, tls: Tls) -> None:
    with pytest.raises(Untrusted, match=tls.sha256):
        connect(fake.endpoint(sha256="0" * 64))
    assert fake.calls == []


def test_a_pin_holds_for_later_connections_too(fake: Fake, tls: Tls) -> None:
    # pyVmomi's own pinning accepts any certificate from the second connection on.
    with connect(fake.endpoint(sha256=tls.sha256)) as vcenter:
        import trustme

        with serving(Fake(), trustme.CA().issue_cert("127.0.0.1")) as other:
            vcenter.stub.DropConnections()
            vcenter.stub.port = other.port
            for _ in range(2):
                with pytest.raises(Untrusted):
                    vcenter.content.sessionManager.Logout()
            assert other.calls == []
            vcenter.stub.port = fake.port


@pytest.mark.parametrize("pin", ["abc", "0" * 40, "z" * 64])
def test_an_unusable_pin_is_a_settings_error(fake: Fake, pin: str) -> None:
    with pytest.raises(SettingsError, match="SHA-256"):
        connect(fake.endpoint(sha256=pin))


def test_an_unreadable_ca_file_is_a_settings_error(fake: Fake, tls: Tls) -> None:
    with pytest.raises(SettingsError, match="CA file"):
        connect(fake.endpoint(ca_file=tls.ca_file.parent / "missing.pem"))


def test_a_silent_server_is_given_up(fake: Fake, tls: Tls) -> None:
    fake.versions = None
    started = time.monotonic()
    with pytest.raises(Transient, match=r"0\.3 s"):
        connect(fake.endpoint(ca_file=tls.ca_file, timeout_s=0.3))
    assert time.monotonic() - started < 3
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize("pinned", [False, True])
def test_a_port_that_never_greets_is_given_up(tls: Tls, pinned: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fake = Fake(port=listener.getsockname()[1])
        trust: dict[str, object] = {"sha256": tls.sha256} if pinned else {"ca_file": tls.ca_file}
        with pytest.raises(Transient):
            connect(fake.endpoint(timeout_s=0.3, **trust))


def test_a_closed_port_is_unreachable(tls: Tls) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Transient, match="unreachable") as caught:
        connect(Fake(port=port).endpoint(ca_file=tls.ca_file))
    assert str(port) in caught.value.place


def test_plain_http_is_not_the_api(tls: Tls) -> None:
    with serving(Fake(), None) as plain, pytest.raises(NotTheApi, match="TLS"):
        connect(plain.endpoint(ca_file=tls.ca_file))


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (Answer("<html><body>Sign in</body></html>"), NotTheApi),
        (Answer("<html><br></html>"), NotTheApi),
        (Answer("not found", status=404), NotTheApi),
        (Answer("<namespaces version='1.0'/>"), NotTheApi),
        (Answer("busy", status=503), Transient),
    ],
)
def test_something_else_on_the_port(fake: Fake, tls: Tls, said: Answer, error: type[Exception]) -> None:
    fake.versions = said
    with pytest.raises(error):
        connect(fake.endpoint(ca_file=tls.ca_file))
    assert fake.calls == ["GET"]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (Answer("<html><br></html>"), NotTheApi),
        (Answer("busy", status=502), Transient),
        (Answer("moved", status=404), NotTheApi),
        (Answer(service_content().body, cut=0.5), Transient),
    ],
)
def test_something_else_answers_the_first_call(fake: Fake, tls: Tls, said: Answer, error: type[Exception]) -> None:
    fake.script["RetrieveServiceContent"] = [said]
    with pytest.raises(error):
        connect(fake.endpoint(ca_file=tls.ca_file))
    assert "Login" not in fake.calls


def test_a_single_host_is_reported_and_refused(fake: Fake, tls: Tls) -> None:
    fake.script["RetrieveServiceContent"] = [service_content("HostAgent")]
    with connect(fake.endpoint(ca_file=tls.ca_file)) as vcenter:
        assert vcenter.api_type == "HostAgent"
        with pytest.raises(UsageError, match="HostAgent"):
            require_vcenter(vcenter)


def test_a_lost_session_is_renewed_and_the_whole_step_repeated(fake: Fake, vcenter: VCenter) -> None:
    fake.script["DestroyView"] = [fault("NotAuthenticated"), answer("DestroyView")]
    starts = []

    def step() -> str:
        starts.append(1)
        manager = vcenter.content.viewManager
        view = manager.CreateContainerView(container=vcenter.content.rootFolder, type=[], recursive=True)
        view.DestroyView()
        return "done"

    assert vcenter.repeat(step, "test") == "done"
    assert len(starts) == 2
    assert fake.calls[3:] == ["CreateContainerView", "DestroyView", "Login", "CreateContainerView", "DestroyView"]
    assert "session-2" in fake.cookies[-1]
    assert "session-1" not in fake.cookies[-2]


def test_a_session_lost_twice_is_an_outage(fake: Fake, vcenter: VCenter) -> None:
    fake.script["RetrievePropertiesEx"] = [fault("NotAuthenticated")]
    with pytest.raises(Transient, match="lost twice"):
        vcenter.repeat(lambda: collect(vcenter, vcenter.content.rootFolder, NETWORKS, network_row), "test")
    assert fake.calls.count("Login") == 2


def test_a_missing_privilege_is_named(fake: Fake, vcenter: VCenter) -> None:
    members = '<object type="Folder">group-d1</object><privilegeId>System.Read</privilegeId>'
    fake.script["RetrievePropertiesEx"] = [fault("NoPermission", "Permission denied.", members)]
    with pytest.raises(Unauthorised, match=r"System\.Read"):
        vcenter.repeat(lambda: collect(vcenter, vcenter.content.rootFolder, NETWORKS, network_row), "networks")


def test_a_refusal_keeps_the_servers_words(fake: Fake, vcenter: VCenter) -> None:
    fake.script["RetrievePropertiesEx"] = [fault("InvalidProperty", "no such thing", "<name>config.nonsense</name>")]
    with pytest.raises(Refused) as caught:
        vcenter.repeat(lambda: collect(vcenter, vcenter.content.rootFolder, NETWORKS, network_row), "networks")
    assert "no such thing" in caught.value.text
    assert caught.value.command == "networks"


def test_closing_never_raises(fake: Fake, tls: Tls) -> None:
    vcenter = connect(fake.endpoint(ca_file=tls.ca_file))
    fake.script["Logout"] = [fault("NotAuthenticated"), Answer("", status=503)]
    vcenter.close()
    vcenter.close()
    assert fake.calls.count("Logout") == 2
