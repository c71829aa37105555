"""The server's routes, limits and errors, as OpenAI's protocol has them."""

from __future__ import annotations

import time
import uuid
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from mata_audio.errors import MataError
from mata_audio.serving.answering import Handler


def build_app(handler: Handler, model: str, most_bytes: int) -> FastAPI:
    """Return the application.

    Args:
        handler: answers requests for chat completions.
        model: name of the model that is served.
        most_bytes: largest body of a request; audio as base64 takes 4 bytes for each 3.
    """
    app = FastAPI(title="mata serve", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(_BodyLimit, most_bytes=most_bytes)
    started = int(time.time())

    @app.post("/v1/chat/completions")
    async def chat_completions(body: dict[str, Any]) -> Any:
        return await handler.handle_request(body, f"chatcmpl-{uuid.uuid4().hex}")

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        own = {"id": model, "object": "model", "created": started, "owned_by": "mata-audio"}
        return {"object": "list", "data": [own]}

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.exception_handler(MataError)
    async def wrong_request(_: Request, error: MataError) -> JSONResponse:
        return failure(400, str(error))

    @app.exception_handler(RequestValidationError)
    async def wrong_body(_: Request, error: RequestValidationError) -> JSONResponse:
        found = "; ".join(str(own["msg"]) for own in error.errors())
        return failure(400, f"the body must be a JSON object: {found}")

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> JSONResponse:
        return failure(500, f"unexpected: {type(error).__name__}: {error}")

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        return failure(error.status_code, str(error.detail))

    return app


def failure(status: int, message: str) -> JSONResponse:
    """Return an error as the protocol has it."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": message, "type": kind, "param": None, "code": None}
    return JSONResponse({"error": error}, status_code=status)


class _BodyLimit:
    """Refuses bodies that are too large, before they are read whole."""

    def __init__(self, app: Any, most_bytes: int) -> None:
        self._app = app
        self._most = most_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, and count what is read of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        if lengths and int(lengths[0]) > self._most:
            await self._refused()(scope, receive, send)
            return
        read = 0

        async def counted() -> Any:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most:
                raise HTTPException(413, self._message())
            return message

        await self._app(scope, counted, send)

    def _refused(self) -> JSONResponse:
        return failure(413, self._message())

    def _message(self) -> str:
        return f"the request is larger than {self._most / 1e6:g} MB: send shorter clips, or MP3"
