"""What log lines look like."""

import io
import json
import logging
import re

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
