"""HTTP mechanics: signatures, wrappers, error headers, paging, sizes. Through real sockets."""

import ssl
import time
import xml.etree.ElementTree as ET

import pytest
import requests

from ingest.twin.cloud import Zone
from ingest.twin.cloudstack import CloudStackServer
from ingest.twin.world import World
from tests.twin.cloudstack.api import Api, sign
from tests.twin.cloudstack.tiny import base_request, ident

UNVERIFIED = "unable to verify user credentials and/or request signature"


@pytest.fixture
def admin(server: CloudStackServer) -> Api:
    return Api(server.url, "admin-key", "admin-secret")


@pytest.fixture
def bob(server: CloudStackServer) -> Api:
    return Api(server.url, "bob-key", "bob-secret")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_signed_call_is_answered(admin: Api, method: str) -> None:
    answer = admin.call("listZones", method, name="zone")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert answer.json()["listzonesresponse"]["count"] == 1


@pytest.mark.parametrize("value", ["a b", "~tilde", "a*b", "50%", "%2f", "Grüße/ß", "a+b&c=d", "[x]"])
def test_values_are_signed_as_java_encodes_them(admin: Api, value: str) -> None:
    assert admin.call("listZones", name=value).json() == {"listzonesresponse": {}}


def test_names_sort_by_code_point_before_lower_casing(admin: Api) -> None:
    # "Zoneid" sorts before "apiKey", and "[" between upper and lower case.
    answer = admin.call("listPods", Zoneid=ident("zone"), **{"details[0].a": "1", "detailsx": "2"})
    assert answer.json()["listpodsresponse"]["count"] == 1


def test_a_wrong_signature_has_no_details(admin: Api) -> None:
    answer = admin.send(admin.signed("listZones") | {"signature": "AAAA"})
    assert answer.status_code == 401
    assert answer.json() == {"listzonesresponse": {"uuidList": [], "errorcode": 401, "errortext": UNVERIFIED}}
    assert "X-Description" not in answer.headers


@pytest.mark.parametrize("expires", ["2020-01-01T00:00:00+0000", "soon", ""])
def test_expired_or_unreadable_expiry_is_refused(admin: Api, expires: str) -> None:
    assert admin.call("listZones", expires=expires).status_code == 401


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+00:00", "%Y-%m-%dT%H:%M:%S.123456Z"])
def test_forms_of_expiry(admin: Api, form: str) -> None:
    expires = time.strftime(form, time.gmtime(time.time() + 60))
    assert admin.call("listZones", expires=expires).status_code == 200


def test_expiry_is_ignored_without_signature_version_3(admin: Api) -> None:
    answer = admin.call("listZones", expires="2020-01-01T00:00:00+0000", signatureVersion="2")
    assert answer.status_code == 200


def test_unknown_command_with_a_key_is_401(admin: Api) -> None:
    for command in ("listzones", "noSuchThing", ""):
        answer = admin.call(command)
        assert answer.status_code == 401
        assert answer.json()["errorresponse"]["errortext"] == UNVERIFIED


def test_a_role_without_the_api_is_432_in_errorresponse(server: CloudStackServer) -> None:
    reader = Api(server.url, "reader-key", "reader-secret")
    answer = reader.call("listPods")
    assert answer.status_code == 432
    assert answer.json()["errorresponse"]["errortext"].startswith("The API [listPods] does not exist or is not avail")
    assert [api["name"] for api in reader.rows("listApis", "api")] == ["listZones", "listApis"]


def test_refusals_carry_description_and_number(admin: Api) -> None:
    answer = admin.call("listTemplates")
    text = "Unable to execute API command listtemplates due to missing parameter templatefilter"
    assert answer.status_code == 431
    assert answer.json() == {
        "listtemplatesresponse": {"uuidList": [], "errorcode": 431, "cserrorcode": 9999, "errortext": text}
    }
    assert answer.headers["X-Description"] == text


def test_control_characters_are_431(admin: Api) -> None:
    answer = admin.call("listZones", name="a\tb")
    assert answer.status_code == 431
    assert answer.json()["listzonesresponse"]["errortext"] == (
        "Received value containing illegal ASCII non-printable characters for parameter name"
    )


def test_the_query_string_beats_the_body(admin: Api) -> None:
    signed = admin.signed("listZones", name="zone")
    answer = requests.post(admin.url, params=[("name", "other"), ("name", "zone")], data=signed | {"name": "third"})
    assert answer.status_code == 200
    assert answer.json()["listzonesresponse"]["zone"][0]["name"] == "zone"


def test_without_json_the_answer_is_xml(admin: Api, server: CloudStackServer) -> None:
    sent = {"command": "listZones", "apiKey": "admin-key", "name": "zone"}
    answer = requests.get(server.url, params=sent | {"signature": sign(sent, "admin-secret")})
    assert answer.headers["Content-Type"] == "text/xml; charset=UTF-8"
    root = ET.fromstring(answer.text)
    assert (root.tag, root.findtext("count"), root.findtext("zone/name")) == ("listzonesresponse", "1", "zone")
    assert root.findtext("zone/securitygroupsenabled") == "false"


def test_a_long_get_is_refused_by_the_container_and_fits_into_a_post(admin: Api) -> None:
    long = {f"nicnetworklist[{n}].network": ident("l2-100") for n in range(150)}
    request = base_request() | long
    answer = admin.call("importUnmanagedInstance", "GET", **request)
    assert answer.status_code == 414
    assert answer.headers["Content-Type"].startswith("text/html")
    assert admin.call("importUnmanagedInstance", "POST", **request).status_code == 200


def test_long_headers_get_the_other_431(admin: Api) -> None:
    answer = requests.get(admin.url, headers={"X-Long": "x" * 9000})
    assert answer.status_code == 431
    assert answer.headers["Content-Type"].startswith("text/html")


def test_other_addresses_and_methods_are_not_the_api(admin: Api) -> None:
    assert requests.get(admin.url.replace("/client/api", "/")).status_code == 404
    assert requests.put(admin.url).status_code == 405


def test_post_and_expiry_can_be_enforced(world: World, admin: Api) -> None:
    world.cloud.configuration["enforce.post.requests.and.timestamps"] = "true"
    answer = admin.call("importUnmanagedInstance", "GET", **base_request())
    assert answer.status_code == 400
    assert answer.json()["importunmanagedinstanceresponse"]["errortext"] == (
        "State changing command importUnmanagedInstance needs to be sent using POST request"
    )
    assert admin.call("listZones", "GET").status_code == 200
    assert admin.call("listZones", expires_in=3600).status_code == 401
    assert admin.call("listZones", signatureVersion="2").status_code == 401


def test_rate_limit_spares_root_admins(world: World, admin: Api, bob: Api) -> None:
    world.cloud.configuration |= {
        "api.throttling.enabled": "true",
        "api.throttling.interval": "60",
        "api.throttling.max": "2",
    }
    assert [bob.call("listZones").status_code for _ in range(3)] == [200, 200, 429]
    refused = bob.call("listZones").json()["listzonesresponse"]
    assert refused["cserrorcode"] == 9999
    assert refused["errortext"].startswith("The given user has reached his/her account api limit, please retry after [")
    assert [admin.call("listZones").status_code for _ in range(4)] == [200] * 4
    assert admin.body("listCapabilities")["capability"]["apilimitmax"] == 2


def _many_zones(world: World, count: int) -> None:
    for number in range(count):
        world.cloud.zones[ident(f"many-{number}")] = Zone(ident(f"many-{number}"), f"many-{number}")


def test_a_call_without_paging_returns_the_default_page_and_the_total(world: World, admin: Api) -> None:
    _many_zones(world, 600)
    body = admin.body("listZones")
    assert (body["count"], len(body["zone"])) == (602, 500)
    assert len(admin.rows("listZones", "zone", page="2", pagesize="500")) == 102
    assert len(admin.rows("listZones", "zone", pagesize="-1")) == 602
    assert admin.rows("listZones", "zone", page="0", pagesize="2") == admin.rows(
        "listZones", "zone", page="1", pagesize="2"
    )


def test_empty_lists(admin: Api) -> None:
    assert admin.call("listZones", name="none").text == '{"listzonesresponse":{}}'
    assert admin.body("listZones", page="9", pagesize="10") == {"count": 2}


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"page": "1"}, '"pagesize" parameter is required when "page" is specified'),
        ({"pagesize": "1"}, '"page" parameter is required when "pagesize" is specified'),
        ({"page": "1", "pagesize": "501"}, "Page size can't exceed max allowed page size value: 500"),
        ({"page": "1", "pagesize": "-1"}, "Can't specify page parameter when pagesize is -1 (Unlimited)"),
        (
            {"page": "x", "pagesize": "1"},
            "Unable to execute API command listzones due to invalid value x for parameter page",
        ),
    ],
)
def test_paging_rules(admin: Api, parameters: dict[str, str], text: str) -> None:
    answer = admin.call("listZones", **parameters)
    assert (answer.status_code, answer.json()["listzonesresponse"]["errortext"]) == (431, text)


def test_internal_numbers_are_accepted_as_ids(admin: Api) -> None:
    assert admin.names("listZones", "zone", id="2") == ["zone2"]
    assert admin.call("listZones", id="3").status_code == 431


def test_unknown_parameters_are_ignored(admin: Api) -> None:
    assert admin.names("listZones", "zone", colour="blue", id=ident("zone")) == ["zone"]


def test_it_refuses_to_leave_loopback() -> None:
    with pytest.raises(ValueError, match="allow_remote"):
        CloudStackServer(World(), host="0.0.0.0")
    CloudStackServer(World(), host="0.0.0.0", allow_remote=True)


def test_requests_are_counted(world: World, admin: Api) -> None:
    admin.call("listZones")
    admin.call("listZones", "GET")
    assert world.cloud.journal.requests == {"listZones": 2}


def test_tls(world: World, tmp_path) -> None:
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with CloudStackServer(world, ssl_context=context) as server:
        assert server.url.startswith("https://127.0.0.1:")
        api = Api(server.url, "admin-key", "admin-secret", verify=str(tmp_path / "ca.pem"))
        assert api.names("listZones", "zone", name="zone") == ["zone"]
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(server.url, timeout=5)
