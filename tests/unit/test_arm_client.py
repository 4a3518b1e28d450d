"""The client that reads Azure: it finds the lab cloud, trusts it, logs in to it and reads, as it would Azure."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from aiohttp.web import Application, Request, Response, json_response

from lab.cloud import certificates, login, tokens
from lab.cloud.arm import ResourceManager
from operations import power
from operations.arm import Refusal
from operations.arm_client import Azure
from operations.error import OperationError
from tests.support import cloud_bench
from tests.support.cloud_bench import COMPUTE, GROUP, Bench

ENVIRONMENT = {
    "ARM_CLIENT_ID": tokens.CLIENT_ID,
    "ARM_CLIENT_SECRET": tokens.CLIENT_SECRET,
    "ARM_TENANT_ID": tokens.TENANT,
    "ARM_SUBSCRIPTION_ID": tokens.SUBSCRIPTION,
}


Serve = Callable[[Bench], Application]


def whole(bench: Bench) -> Application:
    """Return all of the lab cloud."""
    return ResourceManager(bench.site, bench.tokens, bench.operations, bench.faults).application()


def against(tmp_path: Path, use: Callable[[], None], serve: Serve = whole, **changes: str) -> None:
    """Do something while a lab cloud answers on the loopback, over TLS, and is the environment's cloud."""

    async def test() -> None:
        async with cloud_bench.running(tmp_path) as bench:
            folder = tmp_path / "certificates"
            folder.mkdir()
            certificates.ensure(folder)
            await bench.furnish()
            server = TestServer(serve(bench))
            await server.start_server(ssl=certificates.context(folder))
            host = f"localhost:{server.make_url('/').port}"
            place = {"ARM_METADATA_HOSTNAME": host, "SSL_CERT_FILE": str(folder / "ca.pem")}
            with pytest.MonkeyPatch.context() as patch:
                for name, value in {**ENVIRONMENT, **place, **changes}.items():
                    patch.setenv(name, value)
                await asyncio.to_thread(use)
            await server.close()

    asyncio.run(test())


def test_it_reads(tmp_path: Path) -> None:
    def use() -> None:
        azure = Azure()
        assert azure.subscription == f"/subscriptions/{tokens.SUBSCRIPTION}"
        assert azure.get(GROUP, "2021-04-01")["location"] == "westeurope"
        versions = "publishers/debian/artifacttypes/vmimage/offers/debian-12/skus/12-gen2/versions"
        where = f"{azure.subscription}/providers/Microsoft.Compute/locations/westeurope"
        assert azure.get(f"{where}/{versions}", "2024-07-01")["value"][0]["name"], "a bare list is one too"
        skus = azure.get(
            f"{azure.subscription}/providers/Microsoft.Compute/skus", "2021-07-01", {"$filter": "location eq 'ukwest'"}
        )
        assert skus["value"][0]["locationInfo"][0]["location"] == "ukwest"
        vaults = f"{azure.subscription}/providers/Microsoft.KeyVault/checkNameAvailability"
        assert azure.post(vaults, "2023-07-01", {"name": "free", "type": "x"})["nameAvailable"] is True
        with pytest.raises(Refusal, match="could not be found") as refusal:
            azure.get(f"{GROUP}2", "2021-04-01")
        assert refusal.value.status == 404

    against(tmp_path, use)


def test_it_has_things_done(tmp_path: Path) -> None:
    """And waits until they are; the program of `make stop` and `make start`."""

    def use() -> None:
        machine = f"{COMPUTE}/virtualMachines/vm1"

        def power_state() -> str:
            view = Azure().get(f"{machine}/instanceView", "2024-07-01")
            return view["statuses"][-1]["code"]

        assert power_state() == "PowerState/running"
        assert power.main(["deallocate", machine]) == 0
        assert power_state() == "PowerState/deallocated"
        assert power.main(["start", machine]) == 0
        assert power_state() == "PowerState/running"
        with pytest.raises(Refusal, match="was not found"):
            Azure().act(f"{machine}0/start", "2024-07-01")

    against(tmp_path, use)


def test_what_has_failed_is_told(tmp_path: Path) -> None:
    """Azure accepts it, and says later that it has come to nothing."""

    def serve(bench: Bench) -> Application:
        async def accept(request: Request) -> Response:
            where = f"https://{request.host}/operation"
            return json_response({}, status=202, headers={"Azure-AsyncOperation": where, "Retry-After": "0"})

        asked: list[str] = []

        async def operation(request: Request) -> Response:
            asked.append(request.path)
            error = {"code": "AllocationFailed", "message": "there is no room"}
            return json_response({"status": "InProgress"} if len(asked) < 3 else {"status": "Failed", "error": error})

        application = Application()
        login.add_routes(application, bench.tokens)
        application.router.add_post("/start", accept)
        application.router.add_get("/operation", operation)
        return application

    def use() -> None:
        with pytest.raises(Refusal, match="there is no room"):
            Azure().act("/start", "1")

    against(tmp_path, use, serve)


def test_a_wrong_secret_is_refused(tmp_path: Path) -> None:
    def use() -> None:
        with pytest.raises(Refusal, match="Invalid client secret") as refusal:
            Azure().get(GROUP, "2021-04-01")
        assert "wrong-secret" not in str(refusal.value)

    against(tmp_path, use, ARM_CLIENT_SECRET="wrong-secret")


def test_a_cloud_that_is_not_trusted_is_not_used(tmp_path: Path) -> None:
    def use() -> None:
        with pytest.raises(OperationError, match="Azure cannot be reached at localhost"):
            Azure()

    against(tmp_path, use, SSL_CERT_FILE="/etc/ssl/certs/ca-certificates.crt")


def test_without_a_subscription(tmp_path: Path) -> None:
    def use() -> None:
        with pytest.raises(OperationError, match="no subscription: set ARM_SUBSCRIPTION_ID, or choose one: az login"):
            Azure()
        assert Azure("1").subscription == "/subscriptions/1"

    against(tmp_path, use, ARM_SUBSCRIPTION_ID="", AZURE_SUBSCRIPTION_ID="", PATH=str(tmp_path))


def test_a_list_is_read_to_its_end(tmp_path: Path) -> None:
    """The lab cloud has no list that is longer than a page."""

    def serve(bench: Bench) -> Application:
        async def page(request: Request) -> Response:
            if "next" in request.query:
                return json_response({"value": [3]})
            return json_response({"value": [1, 2], "nextLink": f"https://{request.host}/list?next=1"})

        application = Application()
        login.add_routes(application, bench.tokens)
        application.router.add_get("/list", page)
        return application

    def use() -> None:
        assert Azure().get("/list", "1")["value"] == [1, 2, 3]

    against(tmp_path, use, serve)
