"""The plug-in's process: gRPC on a port of the loopback, for the engine that started it.

This speaks the engine's protocol itself, with the SDK's messages. `pulumi.provider.experimental` would be shorter, but
its server (in 3.259) cannot send an unknown value, does not hand on the old inputs to Diff, answers an error with a
traceback, and has no way to tell that a resource is half made.
"""

import asyncio
import contextlib
import os
import signal
import sys
from typing import Any, NoReturn, TypeAlias

import grpc
import grpc.aio
from google.protobuf import any_pb2, empty_pb2, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from .diff import Change, Kind
from .provider import Provider
from .results import Difference, Failure, ResourceError
from .values import from_struct, to_struct

# A message of the engine may hold a whole component's state.
_OPTIONS = [("grpc.max_receive_message_length", 400 * 1024 * 1024), ("grpc.max_send_message_length", 400 * 1024 * 1024)]
_WATCH_SECONDS = 1.0

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

_KINDS = {
    (Kind.ADD, False): provider_pb2.PropertyDiff.ADD,
    (Kind.ADD, True): provider_pb2.PropertyDiff.ADD_REPLACE,
    (Kind.DELETE, False): provider_pb2.PropertyDiff.DELETE,
    (Kind.DELETE, True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    (Kind.UPDATE, False): provider_pb2.PropertyDiff.UPDATE,
    (Kind.UPDATE, True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


def _difference(found: Difference) -> provider_pb2.DiffResponse:
    def one(change: Change) -> provider_pb2.PropertyDiff:
        return provider_pb2.PropertyDiff(kind=_KINDS[change.kind, change.replaces], inputDiff=True)

    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if found.changes else provider_pb2.DiffResponse.DIFF_NONE,
        replaces=list(found.replaces),
        deleteBeforeReplace=bool(found.replaces),  # both would have the same name
        diffs=list(found.changes),
        detailedDiff={path: one(change) for path, change in found.changes.items()},
        hasDetailedDiff=True,
    )


def _failures(failures: list[Failure]) -> list[provider_pb2.CheckFailure]:
    return [provider_pb2.CheckFailure(property=item.property, reason=item.reason) for item in failures]


async def _abort(context: _Context, error: ResourceError, inputs: struct_pb2.Struct | None = None) -> NoReturn:
    """End a call with an error; what is half made goes with it, so that the engine keeps it."""
    message = str(error)
    if not error.resource_id or error.state is None:
        await context.abort(grpc.StatusCode.UNKNOWN, message)
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=error.resource_id, properties=to_struct(error.state), reasons=[message], inputs=inputs
        )
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message, details=[detail])
    metadata = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(grpc.StatusCode.UNKNOWN, message, metadata)


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """The engine's calls, answered by a provider; the base answers UNIMPLEMENTED to those that are not here."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: _Context
    ) -> provider_pb2.ProviderHandshakeResponse:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    async def GetPluginInfo(self, request: empty_pb2.Empty, context: _Context) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self._provider.version)

    async def Cancel(self, request: empty_pb2.Empty, context: _Context) -> empty_pb2.Empty:
        self._provider.cancel()
        return empty_pb2.Empty()

    async def CheckConfig(self, request: provider_pb2.CheckRequest, context: _Context) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    async def DiffConfig(self, request: provider_pb2.DiffRequest, context: _Context) -> provider_pb2.DiffResponse:
        return provider_pb2.DiffResponse()

    async def Configure(
        self, request: provider_pb2.ConfigureRequest, context: _Context
    ) -> provider_pb2.ConfigureResponse:
        settings = {key.split(":")[-1]: value for key, value in request.variables.items()}
        self._provider.configure({**settings, **from_struct(request.args)})
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    async def Invoke(self, request: provider_pb2.InvokeRequest, context: _Context) -> provider_pb2.InvokeResponse:
        try:
            answer = await self._provider.invoke(request.tok, from_struct(request.args))
        except ResourceError as error:
            await _abort(context, error)
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(to_struct(answer))
        return response

    async def Check(self, request: provider_pb2.CheckRequest, context: _Context) -> provider_pb2.CheckResponse:
        try:
            inputs, failures = self._provider.check(request.urn, from_struct(request.olds), from_struct(request.news))
        except ResourceError as error:
            await _abort(context, error)
        return provider_pb2.CheckResponse(inputs=to_struct(inputs), failures=_failures(failures))

    async def Diff(self, request: provider_pb2.DiffRequest, context: _Context) -> provider_pb2.DiffResponse:
        try:
            found = self._provider.diff(
                request.urn, from_struct(request.old_inputs), from_struct(request.olds), from_struct(request.news)
            )
        except ResourceError as error:
            await _abort(context, error)
        return _difference(found)

    async def Create(self, request: provider_pb2.CreateRequest, context: _Context) -> provider_pb2.CreateResponse:
        inputs = from_struct(request.properties)
        try:
            if request.preview:
                return provider_pb2.CreateResponse(
                    properties=to_struct(self._provider.preview_create(request.urn, inputs))
                )
            resource_id, outputs = await self._provider.create(request.urn, inputs, request.timeout)
        except ResourceError as error:
            await _abort(context, error, request.properties)
        return provider_pb2.CreateResponse(id=resource_id, properties=to_struct(outputs))

    async def Update(self, request: provider_pb2.UpdateRequest, context: _Context) -> provider_pb2.UpdateResponse:
        inputs = from_struct(request.news)
        try:
            if request.preview:
                outputs = self._provider.preview_update(request.urn, inputs, from_struct(request.olds))
            else:
                outputs = await self._provider.update(request.urn, request.id, inputs, request.timeout)
        except ResourceError as error:
            await _abort(context, error, request.news)
        return provider_pb2.UpdateResponse(properties=to_struct(outputs))

    async def Read(self, request: provider_pb2.ReadRequest, context: _Context) -> provider_pb2.ReadResponse:
        try:
            found = await self._provider.read(
                request.urn, request.id, from_struct(request.inputs), from_struct(request.properties)
            )
        except ResourceError as error:
            await _abort(context, error)
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=request.id, properties=to_struct(found.outputs), inputs=to_struct(found.inputs)
        )

    async def Delete(self, request: provider_pb2.DeleteRequest, context: _Context) -> empty_pb2.Empty:
        try:
            await self._provider.delete(request.urn, request.id, request.timeout)
        except ResourceError as error:
            await _abort(context, error)
        return empty_pb2.Empty()


async def serve(provider: Provider) -> None:
    """Answer the engine until it goes or says so.

    Prints the port on standard output, as every plug-in does.
    """
    parent = os.getppid()
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):  # the engine says SIGINT, and kills a second later
        loop.add_signal_handler(number, over.set)
    server = grpc.aio.server(options=_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(provider), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    # An engine that was killed says nothing.
    while not over.is_set() and os.getppid() == parent:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), _WATCH_SECONDS)
    provider.cancel()
    await server.stop(None)
