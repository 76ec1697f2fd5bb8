"""A Locust user with an API key that asks for toys through Envoy at a steady rate.

Started by `loadtests.through_envoy`, or by hand against a running demo:
    locust -f loadtests/locustfile.py --headless -u 10 --rate 200 -t 20s --host http://localhost:10000
The exit code is 1 when an answer was wrong, the 99th percentile is over --p99-ms, or the rate was
not reached.
"""

import logging
from argparse import ArgumentParser
from typing import Any

from locust import FastHttpUser, constant_throughput, events, task
from locust.env import Environment

PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
REACHED = 0.9  # of the rate asked for; less means the generator or the gateway could not keep up

log = logging.getLogger("load")


@events.init_command_line_parser.add_listener
def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second, all users")
    parser.add_argument("--p99-ms", type=float, default=50.0, help="99th percentile allowed")


class Customer(FastHttpUser):
    """One keep-alive connection; the rate is shared evenly by all users."""

    def wait_time(self) -> float:
        options = self.environment.parsed_options
        assert options is not None
        pace = constant_throughput(options.rate / options.num_users)
        return float(pace(self))

    @task
    def toys(self) -> None:
        self.client.get(
            "/toys",
            headers={"host": "toystore.localhost", "authorization": "APIKEY bob-demo-key"},
        )


@events.quitting.add_listener
def judge(environment: Environment, **_: Any) -> None:
    options = environment.parsed_options
    assert options is not None
    total = environment.stats.total
    figures = [f"p{p * 100:g} {total.get_response_time_percentile(p):g} ms" for p in PERCENTILES]
    print(f"{total.num_requests} requests, {total.total_rps:.0f}/s, " + ", ".join(figures))
    faults = []
    if total.num_failures or not total.num_requests:
        faults.append(f"{total.num_failures} of {total.num_requests} requests failed")
    if total.get_response_time_percentile(0.99) > options.p99_ms:
        faults.append(f"the 99th percentile is over {options.p99_ms:g} ms")
    if total.total_rps < REACHED * options.rate:
        faults.append(f"only {total.total_rps:.0f} of {options.rate:g} requests/s were reached")
    for fault in faults:
        log.error(fault)
    environment.process_exit_code = 1 if faults else 0
