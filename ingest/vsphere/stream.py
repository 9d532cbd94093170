"""The VM read as a stream: the answer is parsed while it arrives, one VM at a time, in constant memory.

Only what a VM row needs is decoded. The request is serialised and the connection is lent by pyVmomi's stub, so that
session, TLS and time-outs are the same as for every other call; faults are raised as the same exception types.
"""

from __future__ import annotations

import http.client
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser
from xml.parsers.expat import ExpatError

from pyVmomi import vmodl
from pyVmomi.SoapAdapter import SoapResponseDeserializer

from ingest.errors import Transient
from ingest.vsphere.collect import cancel
from ingest.vsphere.elements import DECODERS, NS, missing_of, text_of
from ingest.vsphere.faults import BROKEN_TRANSPORT, not_the_api, status_error, transport_error
from ingest.vsphere.rows import Missing
from ingest.vsphere.session import VCenter

_CHUNK_BYTES = 64 * 1024  # larger ones leave more elements alive at a time, and that costs CPU
_FAULT_LIMIT_BYTES = 4 << 20

StreamedObject = tuple[str, dict[str, Any], tuple[Missing, ...]]
"""Managed object id, decoded values by path, what could not be read."""


def stream_objects(vcenter: VCenter, spec: Any, page_size: int) -> Iterator[StreamedObject]:
    """The objects of a filter over VMs as they arrive, over all pages. Stopping early cancels the rest."""
    options = vmodl.query.PropertyCollector.RetrieveOptions(maxObjects=page_size)
    page = PageParser()
    method = "RetrievePropertiesEx"
    arguments: tuple[Any, ...] = ([spec], options)
    try:
        while True:
            yield from _read_page(vcenter, method, arguments, page)
            if not page.token:
                return
            method, arguments = "ContinueRetrievePropertiesEx", (page.token,)
            page = PageParser()
    except GeneratorExit:
        cancel(vcenter, page.token)
        raise


class PageParser:
    """One answer of the property collector. `token` is set as soon as it was parsed; servers send it first.

    `answered` is True at the end when it was such an answer at all, with or without objects in it.
    """

    def __init__(self) -> None:
        self.token: str | None = None
        self.answered = False

    def objects(self, chunks: Iterable[bytes]) -> Iterator[StreamedObject]:
        """The objects, each as soon as it is complete. Raises ParseError for an incomplete document."""
        parser: XMLPullParser[Any] = XMLPullParser(("end",))
        last: Element | None = None
        for chunk in chain(chunks, (b"",)):
            if chunk:
                parser.feed(chunk)
            else:
                parser.close()  # before the last events are read: expat may hold some back until then
            for _, last in cast("Iterator[tuple[str, Element]]", parser.read_events()):
                if last.tag == _OBJECTS:
                    yield _decode(last)
                    last.clear()
                elif last.tag == _TOKEN:
                    self.token = last.text
        # The last element to end is the envelope; an empty answer is a response without content.
        self.answered = last is not None and any(part.tag.endswith("Response") for body in last for part in body)


def _read_page(vcenter: VCenter, method: str, arguments: tuple[Any, ...], page: PageParser) -> Iterator[StreamedObject]:
    stub, endpoint = vcenter.stub, vcenter.endpoint
    collector = vcenter.content.propertyCollector
    request = stub.SerializeRequest(collector, collector._GetMethodInfo(method), arguments)
    headers = {
        "Content-Type": "text/xml; charset=utf-8",
        "SOAPAction": stub.versionId,
        "Cookie": stub.cookie,
        "Accept-Encoding": "gzip",
    }
    stub.count()
    connection = None
    complete = False
    try:
        connection = stub.GetConnection()
        connection.request("POST", stub.path, request, headers)
        answer = connection.getresponse()
        if answer.status == http.client.INTERNAL_SERVER_ERROR:
            body = b"".join(_chunks(answer))
            complete = True
            raise _fault(body, stub)
        if answer.status != http.client.OK:
            raise status_error(answer.status, endpoint)
        yield from page.objects(_chunks(answer))
        complete = True
    except ParseError as error:
        raise transport_error(_as_expat_error(error), endpoint) from error
    except BROKEN_TRANSPORT as error:
        raise transport_error(error, endpoint) from error
    except zlib.error as error:
        raise Transient("the answer is damaged (gzip)", place=f"{endpoint.host}:{endpoint.port}") from error
    finally:
        if connection is not None:
            if complete:
                stub.ReturnConnection(connection)
            else:
                connection.close()
    if not page.answered:
        raise not_the_api(endpoint, "the answer is not of the vSphere API")


_OBJECTS = NS + "objects"
_TOKEN = NS + "token"


def _decode(element: Element) -> StreamedObject:
    moref = ""
    values: dict[str, Any] = {}
    missing: list[Missing] = []
    for part in element:
        if part.tag == NS + "propSet":
            path = text_of(part, "name")
            value = part.find(NS + "val")
            decode = DECODERS.get(path)
            if decode is not None and value is not None:
                values[path] = decode(value)
        elif part.tag == NS + "obj":
            moref = part.text or ""
        elif part.tag == NS + "missingSet":
            missing.append(missing_of(moref, part))
    return moref, values, tuple(missing)


def _chunks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body, unpacked. Raises HTTPException when it ends before its time."""
    if (answer.getheader("Content-Encoding") or "identity").lower() != "gzip":
        while chunk := answer.read(_CHUNK_BYTES):
            yield chunk
        return
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    while chunk := answer.read(_CHUNK_BYTES):
        while chunk:  # bounded: a small packed chunk can unpack to hundreds of megabytes
            if unpacked := unpacker.decompress(chunk, _CHUNK_BYTES):
                yield unpacked
            chunk = unpacker.unconsumed_tail
    if rest := unpacker.flush():
        yield rest
    if not unpacker.eof:
        raise http.client.IncompleteRead(b"")


def _fault(body: bytes, stub: Any) -> Any:
    fault = SoapResponseDeserializer(stub).Deserialize(body[:_FAULT_LIMIT_BYTES], object)
    if isinstance(fault, vmodl.MethodFault):
        return fault
    return http.client.HTTPException("500 without a SOAP fault")


def _as_expat_error(error: ParseError) -> ExpatError:
    same = ExpatError(str(error))
    same.code = error.code
    return same
