"""Blobs are read as Azure's storage answers: page by page, and refusals say what is missing. By its own client."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from aiohttp.test_utils import TestServer
from aiohttp.web import Application, Request, Response, json_response

from components.azure import cloud
from components.azure.blobs import Blobs, UnreadableError
from components.azure.cloud import CloudNotReachedError
from lab.cloud import certificates, login, tokens

ENVIRONMENT = {
    "ARM_CLIENT_ID": tokens.CLIENT_ID,
    "ARM_CLIENT_SECRET": tokens.CLIENT_SECRET,
    "ARM_TENANT_ID": tokens.TENANT,
}
STORED = {f"log/{number}": b"x" * number for number in range(1, 6)}
PAGE = 2


def against(tmp_path: Path, use: Callable[[Blobs], None], refusal: str = "") -> None:
    """Read an account with one container, whose server answers in pages of two; or that refuses all."""

    async def answer(request: Request) -> Response:
        if refusal:
            return _error(403, refusal)
        assert request.headers["Authorization"].startswith("Bearer ")
        if request.match_info["container"] != "backup":
            return _error(404, "ContainerNotFound")
        if request.query.get("comp") == "list":
            names = sorted(STORED)
            begin = int(request.query.get("marker") or 0)
            return _page(names[begin : begin + PAGE], str(begin + PAGE) if begin + PAGE < len(names) else "")
        content = STORED.get(request.match_info["name"])
        if content is None:
            return _error(404, "BlobNotFound")
        ranged = {"Content-Range": f"bytes 0-{len(content) - 1}/{len(content)}", "x-ms-blob-type": "BlockBlob"}
        return Response(status=206, body=content, headers=ranged)

    async def test() -> None:
        certificates.ensure(tmp_path)
        application = Application()
        login.add_routes(application, tokens.Tokens(b"k" * 32))
        application.router.add_get("/account/{container}", answer)
        application.router.add_get("/account/{container}/{name:.*}", answer)
        server = TestServer(application)
        await server.start_server(ssl=certificates.context(tmp_path))
        host = f"localhost:{server.make_url('/').port}"
        environment = {**ENVIRONMENT, "ARM_METADATA_HOSTNAME": host, "SSL_CERT_FILE": str(tmp_path / "ca.pem")}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            await asyncio.to_thread(lambda: use(Blobs("shop", cloud.find(), f"https://{host}/account")))
        await server.close()

    asyncio.run(test())


def _error(status: int, code: str) -> Response:
    text = f"<?xml version='1.0' encoding='utf-8'?><Error><Code>{code}</Code><Message>It says {code}.</Message></Error>"
    return Response(status=status, text=text, content_type="application/xml", headers={"x-ms-error-code": code})


def _page(names: list[str], more: str) -> Response:
    blobs = "".join(
        f"<Blob><Name>{escape(name)}</Name><Properties><Content-Length>{len(STORED[name])}</Content-Length>"
        "<BlobType>BlockBlob</BlobType></Properties></Blob>"
        for name in names
    )
    text = (
        '<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="backup">'
        f"<Blobs>{blobs}</Blobs><NextMarker>{more}</NextMarker></EnumerationResults>"
    )
    return Response(text=text, content_type="application/xml")


def test_what_lies_there_is_read(tmp_path: Path) -> None:
    def use(blobs: Blobs) -> None:
        assert blobs.sizes("backup") == {name: len(content) for name, content in STORED.items()}
        assert blobs.content("backup", "log/3") == b"xxx"
        assert blobs.content("backup", "log/9") is None

    against(tmp_path, use)


@pytest.mark.parametrize(
    ("refusal", "line"),
    [
        (
            "AuthorizationPermissionMismatch",
            "you may not read storage account shop: you need the role Storage Blob Data Reader on it",
        ),
        ("AuthorizationFailure", "storage account shop cannot be read: It says AuthorizationFailure."),
    ],
)
def test_a_refusal_says_what_is_missing(tmp_path: Path, refusal: str, line: str) -> None:
    def use(blobs: Blobs) -> None:
        for ask in (lambda: blobs.sizes("backup"), lambda: blobs.content("backup", "log/3")):
            with pytest.raises(UnreadableError) as raised:
                ask()
            assert str(raised.value) == line

    against(tmp_path, use, refusal)


def test_without_a_container_there_is_no_backup(tmp_path: Path) -> None:
    def use(blobs: Blobs) -> None:
        with pytest.raises(UnreadableError, match="storage account shop has no container state"):
            blobs.sizes("state")

    against(tmp_path, use)


def test_a_wrong_secret_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENVIRONMENT, "ARM_CLIENT_SECRET", "wrong-secret")

    def use(blobs: Blobs) -> None:
        with pytest.raises(UnreadableError, match=r"cannot be read without a login: .*Invalid client secret") as raised:
            blobs.sizes("backup")
        assert "wrong-secret" not in str(raised.value)

    against(tmp_path, use)


def test_a_cloud_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARM_METADATA_HOSTNAME", "localhost:1")
    with pytest.raises(CloudNotReachedError, match="Azure cannot be reached at localhost:1: "):
        cloud.find()


async def test_a_cloud_that_knows_nothing(tmp_path: Path) -> None:
    certificates.ensure(tmp_path)
    application = Application()

    async def nothing(request: Request) -> Response:
        return json_response({}, status=500)

    application.router.add_get("/metadata/endpoints", nothing)
    server = TestServer(application)
    await server.start_server(ssl=certificates.context(tmp_path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARM_METADATA_HOSTNAME", f"localhost:{server.make_url('/').port}")
        patch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        with pytest.raises(CloudNotReachedError):
            await asyncio.to_thread(cloud.find)
    await server.close()
