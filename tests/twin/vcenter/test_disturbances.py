"""Trouble on demand."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from typing import Any
from xml.parsers.expat import ExpatError

import pytest
from pyVmomi import vim

from ingest.twin.vcenter import Disturbance, VCenterServer

from .conftest import machine


def test_a_delay_hits_its_method_only(server: VCenterServer, si: Any) -> None:
    server.disturb(Disturbance("CurrentTime", delay_s=1.5))

    def seconds(call: Callable[[], Any]) -> float:
        began = time.monotonic()
        call()
        return time.monotonic() - began

    assert seconds(lambda: machine(si, 100).name) < 1.5
    assert seconds(si.CurrentTime) >= 1.5
    assert seconds(si.CurrentTime) < 1.5


def test_an_http_error_comes_as_often_as_asked(server: VCenterServer, si: Any) -> None:
    server.disturb(Disturbance("*", status=503, times=2))
    for _ in range(2):
        with pytest.raises(http.client.HTTPException, match="503"):
            si.CurrentTime()
    assert si.CurrentTime() is not None


@pytest.mark.parametrize("sent", [0, 100])
def test_a_cut_answer_has_done_its_work(server: VCenterServer, si: Any, sent: int) -> None:
    server.disturb(Disturbance("PowerOffVM_Task", cut_after_bytes=sent))
    with pytest.raises((http.client.HTTPException, ExpatError, OSError)):
        machine(si, 102).PowerOff()
    assert server.calls["PowerOffVM_Task"] == 1
    assert len(si.content.taskManager.recentTask) == 1


def test_a_session_can_be_lost_just_before_a_call(server: VCenterServer, si: Any) -> None:
    server.disturb(Disturbance("CurrentTime", lose_session=True, times=0))
    with pytest.raises(vim.fault.NotAuthenticated):
        si.CurrentTime()
    server.calm()
