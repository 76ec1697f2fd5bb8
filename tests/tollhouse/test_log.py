"""What log lines look like."""

import io
import json
import logging
import re
from pathlib import Path

from tollhouse import log


def test_text_is_one_line_per_event() -> None:
    stream = io.StringIO()
    log.configure(log.Level.INFO, log.Format.TEXT, stream)
    logging.getLogger("part").info("a %s", "b\nforged line")
    logging.getLogger("part").debug("not asked for")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO part: a b\\nforged line\n",
        stream.getvalue(),
    )


def test_json_is_one_object_per_event() -> None:
    stream = io.StringIO()
    log.configure(log.Level.DEBUG, log.Format.JSON, stream)
    try:
        raise ValueError("inside")
    except ValueError:
        logging.getLogger("part").exception("it failed “so”")
    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    assert (event["level"], event["logger"], event["message"]) == (
        "error",
        "part",
        "it failed “so”",
    )
    assert "ValueError: inside" in event["traceback"]


def test_fields_of_a_record_stand_beside_its_message() -> None:
    told = {}
    for form in log.Format:
        stream = io.StringIO()
        log.configure(log.Level.INFO, form, stream)
        logging.getLogger("part").info("so", extra={"fields": {"request id": "a\nb"}})
        told[form] = stream.getvalue()
    assert told[log.Format.TEXT].endswith('INFO part: so {"request id": "a\\nb"}\n')
    assert json.loads(told[log.Format.JSON])["request id"] == "a\nb"


def test_zap_has_the_names_of_kubernetes_controllers() -> None:
    stream = io.StringIO()
    log.configure(log.Level.INFO, log.Format.ZAP, stream)
    logging.getLogger("authorino.service.auth").info("incoming", extra={"fields": {"a": 1}})
    event = json.loads(stream.getvalue())
    assert list(event) == ["level", "ts", "logger", "msg", "a"]
    assert (event["msg"], event["logger"]) == ("incoming", "authorino.service.auth")


def test_libraries_tell_no_details() -> None:
    stream = io.StringIO()
    log.configure(log.Level.DEBUG, log.Format.TEXT, stream)
    logging.getLogger("kubernetes_asyncio.client.rest").debug("response body: secret")
    logging.getLogger("kubernetes_asyncio.client.rest").info("told")
    logging.getLogger("tollhouse.part").debug("ours")
    assert [line.rpartition(": ")[2] for line in stream.getvalue().splitlines()] == ["told", "ours"]
    log.configure(log.Level.INFO, log.Format.TEXT, stream)
    logging.getLogger("tollhouse.part").debug("no more")
    assert "no more" not in stream.getvalue()


def test_every_package_of_ours_is_known() -> None:
    root = Path(__file__).resolve().parents[2]
    packages = {path.parent.name for path in root.glob("*/__init__.py")}
    assert packages - {"_fastpath", "loadtests", "protos"} <= {*log.OURS}
