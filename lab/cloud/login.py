"""The login service, and the metadata by which clients find it."""

from aiohttp import web

from lab.cloud import tokens
from lab.cloud.model import Json
from lab.cloud.tokens import AUDIENCE, CLIENT_ID, CLIENT_SECRET, LIFETIME_SECONDS, OBJECT_ID, TENANT, Principal, Tokens

ENGINE = Principal(OBJECT_ID, CLIENT_ID)
"""The service principal that the engine and the tests log in as: owner of the subscription."""


def add_routes(application: web.Application, issuer: Tokens) -> None:
    """Add the login service's routes to the application.

    Args:
        application: that answers as login.microsoftonline.com as well.
    """

    async def token(request: web.Request) -> web.Response:
        form = await request.post()
        if form.get("grant_type") != "client_credentials":
            return _refused("unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type.")
        if request.match_info["tenant"] != TENANT:
            return _refused("invalid_request", f"AADSTS90002: Tenant '{request.match_info['tenant']}' not found.")
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != CLIENT_SECRET:
            return _refused("invalid_client", "AADSTS7000215: Invalid client secret provided.", 401)
        resource = str(form.get("scope", AUDIENCE)).removesuffix(".default")
        answer: Json = {
            "token_type": "Bearer",
            "expires_in": LIFETIME_SECONDS,
            "ext_expires_in": LIFETIME_SECONDS,
            "access_token": issuer.issue(ENGINE, resource),
        }
        return web.json_response(answer)

    application.router.add_post("/{tenant}/oauth2/v2.0/token", token)
    application.router.add_get("/{tenant}/v2.0/.well-known/openid-configuration", _openid)
    application.router.add_get("/metadata/endpoints", _endpoints)


def _refused(error: str, description: str, status: int = 400) -> web.Response:
    return web.json_response({"error": error, "error_description": description}, status=status)


async def _openid(request: web.Request) -> web.Response:
    base = f"https://{request.host}/{request.match_info['tenant']}"
    return web.json_response(
        {
            "issuer": f"https://{request.host}/{tokens.TENANT}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }
    )


async def _endpoints(request: web.Request) -> web.Response:
    """Tell a client its cloud: all of it behind the name that it asked."""
    if request.host == "management.azure.com":
        arm, sign_in = "https://management.azure.com/", "https://login.microsoftonline.com/"
    else:
        arm = sign_in = f"https://{request.host}/"
    return web.json_response(
        {
            "name": "AzureCloud",
            "resourceManager": arm,
            "authentication": {
                "loginEndpoint": sign_in,
                "audiences": ["https://management.core.windows.net/", AUDIENCE],
                "tenant": "common",
                "identityProvider": "AAD",
            },
            "graph": "https://graph.windows.net/",
            "graphAudience": "https://graph.windows.net/",
            "microsoftGraphResourceId": "https://graph.microsoft.com/",
            "portal": "https://portal.azure.com",
            "media": "https://rest.media.azure.net",
            "suffixes": {
                "storage": "core.windows.net",
                "sqlServerHostname": "database.windows.net",
                "keyVaultDns": "vault.azure.net",
                "acrLoginServer": "azurecr.io",
            },
        }
    )
