"""What the plug-in does with a resource: check, diff, create, read, update, delete; and the functions that read one.

It has no state and no judgement of its own. It knows of gRPC as little as of HTTP: `server` and `arm` do.
"""

import contextlib
import os
import re
from collections.abc import Mapping
from typing import cast

from .account import Account
from .arm import Arm
from .convert import overlay, to_body, to_inputs, to_outputs, to_preview
from .diff import Change, carry_over, compare, equal
from .errors import ArmError
from .names import identify, names_in
from .results import Difference, Failure, Found, ResourceError
from .schema import ResourceType
from .values import Object, Value, configured, plain, secret_strings, with_secrets_of

GET_CLIENT_CONFIG = "azure-native:authorization:getClientConfig"

# Stands for what a preview without a configuration cannot know.
NO_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"

_API_VERSION = "azureApiVersion"
_DEFAULT_SECONDS = 2 * 60 * 60.0  # the real plug-in's


def type_of(urn: str) -> str:
    """Return the type token in a resource's URN."""
    return urn.split("::")[2].split("$")[-1]


class Provider:
    """The plug-in's answers.

    Args:
        types: the resource types that it knows, by the SDK's token.
        environment: environment variables; the process's own by default.
    """

    def __init__(
        self, version: str, types: Mapping[str, ResourceType], environment: Mapping[str, str] | None = None
    ) -> None:
        self.version = version
        self._types = types
        self._environment = os.environ if environment is None else environment
        self._settings: Mapping[str, Value] = {}
        self._arm: Arm | None = None
        self._account = Account()
        self.configure({})

    def configure(self, settings: Mapping[str, Value]) -> None:
        """Take the provider's settings; what they leave open, the environment may say. Nobody is asked for anything.

        Args:
            settings: location, subscriptionId, tenantId, clientId, clientSecret, metadataHost.
        """
        self._settings = settings
        self._account = Account(
            subscription_id=self._setting("subscriptionId", "ARM_SUBSCRIPTION_ID"),
            tenant_id=self._setting("tenantId", "ARM_TENANT_ID"),
            client_id=self._setting("clientId", "ARM_CLIENT_ID"),
            client_secret=self._setting("clientSecret", "ARM_CLIENT_SECRET"),
            metadata_host=self._setting("metadataHost", "ARM_METADATA_HOSTNAME", "ARM_METADATA_HOST"),
        )
        self._arm = Arm(self._account, f"pulumi-azure-native-stand-in/{self.version}")

    def _setting(self, name: str, *variables: str) -> str:
        values = (configured(self._settings.get(name)), *(self._environment.get(item, "") for item in variables))
        return next((value for value in values if value), "")

    @property
    def _client(self) -> Arm:
        assert self._arm is not None
        return self._arm

    def cancel(self) -> None:
        """Give up what is under way."""
        self._client.cancel()

    # --- the life of a resource

    def check(self, urn: str, old: Mapping[str, Value], new: Mapping[str, Value]) -> tuple[Object, list[Failure]]:
        """Complete a program's inputs with defaults, and say what is missing: also a name, which is never made up.

        Args:
            old: inputs of the last time.
        """
        kind = self._find(type_of(urn))
        inputs: Object = {key: value for key, value in new.items() if value is not None}
        if "location" in kind.shape.inputs and "location" not in inputs:
            place = self._setting("location", "ARM_LOCATION") or old.get("location")
            if place:
                inputs["location"] = place
        inputs.setdefault(_API_VERSION, kind.api_version)
        failures = [Failure.missing(name) for name in (*kind.parts, *kind.required) if inputs.get(name) in (None, "")]
        return inputs, failures

    def diff(
        self, urn: str, old_inputs: Mapping[str, Value], old_state: Mapping[str, Value], new: Mapping[str, Value]
    ) -> Difference:
        """Compare a program's inputs with those of the last time; what Azure says of the resource is no matter here."""
        kind = self._find(type_of(urn))
        before, state, after = cast(Object, plain(old_inputs)), cast(Object, plain(old_state)), cast(Object, plain(new))
        before = dict(before)
        before.setdefault(_API_VERSION, state.get(_API_VERSION))
        changes = compare(before, after, (*kind.parts, *kind.replaced_by))
        # A default that the program now spells out is no change.
        changes = {
            path: Change(change.kind, change.replaces and not (path in state and equal(state[path], after.get(path))))
            for path, change in changes.items()
        }
        replaces = tuple(sorted({re.split(r"[.\[]", path)[0] for path, item in changes.items() if item.replaces}))
        return Difference(changes, replaces)

    def preview_create(self, urn: str, inputs: Mapping[str, Value]) -> Object:
        """Return what is known of a resource before it is made."""
        kind = self._find(type_of(urn))
        return _complete(kind, with_secrets_of(to_preview(kind.shape, plain(inputs)), inputs))

    async def create(self, urn: str, inputs: Mapping[str, Value], seconds: float = 0) -> tuple[str, Object]:
        """Make a resource.

        Args:
            seconds: how long to wait for ARM; 0 for two hours.

        Raises:
            ResourceError: ARM refused, or there is such a resource already.
        """
        kind = self._find(type_of(urn))
        values = cast(Object, plain(inputs))
        resource_id = identify(kind, self._account.subscription_id, values)
        try:
            await self._must_be_absent(resource_id, kind)
            body = to_body(kind.shape, values, resource_id)
            for name in kind.kept:
                if name not in values:
                    body.setdefault("properties", {})[name] = []
            answer = await self._client.put(resource_id, kind.api_version, body, seconds or _DEFAULT_SECONDS)
        except ArmError as error:
            raise await self._failed(error, kind, resource_id, inputs) from None
        told = answer.get("id")
        resource_id = told if isinstance(told, str) and told else resource_id
        return resource_id, await self._outputs_after(resource_id, kind, answer, inputs)

    def preview_update(self, urn: str, inputs: Mapping[str, Value], state: Mapping[str, Value]) -> Object:
        """Return what is known of a resource before it is changed: its old outputs stay, but for the inputs."""
        kind = self._find(type_of(urn))
        old = cast(Object, plain(state))
        outputs = cast(Object, overlay(old, to_preview(kind.shape, plain(inputs))))
        return _complete(kind, with_secrets_of(with_secrets_of(outputs, state), inputs))

    async def update(self, urn: str, resource_id: str, inputs: Mapping[str, Value], seconds: float = 0) -> Object:
        """Change a resource, by sending the whole of it.

        Args:
            seconds: how long to wait for ARM; 0 for two hours.
        """
        kind = self._find(type_of(urn))
        values = cast(Object, plain(inputs))
        body = to_body(kind.shape, values, resource_id)
        try:
            await self._keep(kind, resource_id, values, body)
            answer = await self._client.put(resource_id, kind.api_version, body, seconds or _DEFAULT_SECONDS)
        except ArmError as error:
            raise await self._failed(error, kind, resource_id, inputs) from None
        return await self._outputs_after(resource_id, kind, answer, inputs)

    async def read(
        self, urn: str, resource_id: str, inputs: Mapping[str, Value], state: Mapping[str, Value]
    ) -> Found | None:
        """Look at a resource.

        Args:
            inputs: inputs of the last time; empty for a resource that no program made.
        """
        kind = self._find(type_of(urn))
        try:
            answer = await self._client.get(resource_id, kind.api_version)
        except ArmError as error:
            if error.status == 404:
                return None
            raise ResourceError(_without_secrets(str(error), inputs)) from None
        outputs = to_outputs(kind.shape, answer)
        if inputs:
            known = cast(Object, plain(inputs))
            silent = [name for name in kind.kept if name not in known]
            before = _without(to_inputs(kind.shape, plain(state)), silent)
            after = _without(to_inputs(kind.shape, outputs), silent)
            found = cast(Object, carry_over(known, before, after))
        else:
            found = {**names_in(kind, resource_id), **to_inputs(kind.shape, outputs), _API_VERSION: kind.api_version}
            found.pop("id", None)
        marked = with_secrets_of(with_secrets_of(_complete(kind, outputs), state), inputs)
        return Found(marked, with_secrets_of(found, inputs))

    async def delete(self, urn: str, resource_id: str, seconds: float = 0) -> None:
        """Delete a resource; one that is gone already is fine.

        Args:
            seconds: how long to wait for ARM; 0 for two hours.
        """
        kind = self._find(type_of(urn))
        try:
            await self._client.delete(resource_id, kind.api_version, seconds or _DEFAULT_SECONDS)
        except ArmError as error:
            raise ResourceError(str(error)) from None

    async def invoke(self, token: str, arguments: Mapping[str, Value]) -> Object:
        """Answer a function of the SDK.

        Args:
            token: its name: getClientConfig, or get and the name of a resource type.
            arguments: what names the resource.

        Returns:
            The resource; or, of who the plug-in is logged in as, the subscription, which is all that the program reads:
            the configuration's, or a GUID of zeros where that has none, as in a preview offline.

        Raises:
            ResourceError: ARM refused, there is no such resource, or the function is another one.
        """
        if token == GET_CLIENT_CONFIG:
            return {"subscriptionId": self._account.subscription_id or NO_SUBSCRIPTION}
        kind = self._types.get(re.sub(r":get(?=\w+$)", ":", token))
        if kind is None or ":get" not in token:
            raise ResourceError(f"{token}: the stand-in for azure-native does not know this function")
        resource_id = identify(kind, self._account.subscription_id, cast(Object, plain(arguments)))
        try:
            answer = await self._client.get(resource_id, kind.api_version)
        except ArmError as error:
            raise ResourceError(str(error)) from None
        return {"id": str(answer.get("id") or resource_id), **_complete(kind, to_outputs(kind.shape, answer))}

    # --- parts of the above

    def _find(self, token: str) -> ResourceType:
        kind = self._types.get(token)
        if kind is None:
            raise ResourceError(
                f"{token}: the stand-in for azure-native does not know this type; it knows {', '.join(self._types)}"
            )
        return kind

    async def _must_be_absent(self, resource_id: str, kind: ResourceType) -> None:
        try:
            found = await self._client.get(resource_id, kind.api_version)
        except ArmError as error:
            if error.status in (204, 404):
                return
            if error.status:
                raise ArmError(f"cannot check existence of resource '{resource_id}': {error}", error.status) from None
            raise
        if found and not _is_as_it_begins(kind, to_outputs(kind.shape, found)):
            raise ArmError(f"cannot create already existing resource '{resource_id}'", 409)

    async def _keep(self, kind: ResourceType, resource_id: str, inputs: Object, body: Object) -> None:
        """Put into the body what other resources have added to lists on which the program is silent."""
        silent = [name for name in kind.kept if name not in inputs]
        if silent:
            found = cast(Object, (await self._client.get(resource_id, kind.api_version)).get("properties") or {})
            for name in silent:
                if name in found:
                    body.setdefault("properties", {})[name] = found[name]

    async def _outputs_after(
        self, resource_id: str, kind: ResourceType, answer: Object, inputs: Mapping[str, Value]
    ) -> Object:
        # The answer of a GET is what a refresh compares with; a PUT's may differ.
        with contextlib.suppress(ArmError):
            answer = await self._client.get(resource_id, kind.api_version)
        return _complete(kind, with_secrets_of(to_outputs(kind.shape, answer), inputs))

    async def _failed(
        self, error: ArmError, kind: ResourceType, resource_id: str, inputs: Mapping[str, Value]
    ) -> ResourceError:
        message = _without_secrets(str(error), inputs)
        if not error.accepted:
            return ResourceError(message)
        # ARM had begun: the engine is to know what is there, so that the next update repairs it.
        try:
            answer = await self._client.get(resource_id, kind.api_version)
        except ArmError as second:
            if second.status == 404:
                return ResourceError(message)
            answer = {}
        state = _complete(kind, with_secrets_of(to_outputs(kind.shape, answer), inputs))
        return ResourceError(message, resource_id, state)


def _is_as_it_begins(kind: ResourceType, outputs: Object) -> bool:
    """Tell whether Azure has made it along with what it is a part of, and nobody has changed it since."""
    return kind.beginning is not None and all(equal(outputs.get(key), value) for key, value in kind.beginning.items())


def _complete(kind: ResourceType, outputs: Object) -> Object:
    return {**outputs, _API_VERSION: kind.api_version}


def _without(properties: Object, names: list[str]) -> Object:
    return {key: value for key, value in properties.items() if key not in names}


def _without_secrets(message: str, inputs: Mapping[str, Value]) -> str:
    for secret in sorted(set(secret_strings(dict(inputs))), key=len, reverse=True):
        message = message.replace(secret, "[secret]")
    return message
