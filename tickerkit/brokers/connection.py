"""Connection: requests to NATS servers and answers, over a connection that is made when needed."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import random
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

from tickerkit.brokers.address import StreamAddress
from tickerkit.brokers.login import (
    describe,
    is_login_problem,
    make_context,
    read_credentials,
    sign,
)
from tickerkit.brokers.nats_client import (
    LOGIN_FIX,
    Inbox,
    Msg,
    NatsClient,
    close_client,
    keep_cancelling,
    nats_errors,
)
from tickerkit.errors import StreamError
from tickerkit.formatting import format_line

__all__ = ["NO_RESPONDERS", "Connection", "Refusal"]

CONNECT_S = 2
ANSWER_S = 2.0
# A server that is stopped or cut off, but whose connection stands, is noticed after 6 s.
PING_S, MAX_PINGS = 2, 2
# After this many requests in a row without an answer, another server is tried: this one may be cut
# off from the others.
MAX_UNANSWERED = 3
NO_RESPONDERS = 503


class Refusal(StreamError):
    """The broker answered a request with an error.

    Attributes:
        code: the broker's number of the error; 503 if no server answers such requests.
    """

    def __init__(self, address: str, problem: str, code: int) -> None:
        super().__init__(address, problem)
        self.code = code


class Connection:
    """Requests to a cluster of brokers, over one connection to any of its servers.

    It is made when it is needed, and made again, to another server if need be, when it has ended.

    Args:
        address: the servers, and what to log in with.

    Attributes:
        discovered: further servers of the cluster, as the servers say; with TLS none.
        generation: how many connections were made so far.
    """

    def __init__(self, address: StreamAddress) -> None:
        self._address = address
        self._shown = str(address)
        self._client: NatsClient | None = None
        self._lock = asyncio.Lock()
        self._unanswered = 0
        self._has_connected = self._is_closed = False
        self._attempt: asyncio.Timeout | None = None
        self._trying: NatsClient | None = None
        self.discovered: list[str] = []
        self._last_server = ""
        self.generation = 0

    @property
    def version(self) -> tuple[int, int, int]:
        """The version of the server; zeros without a connection, or if it isn't three numbers."""
        if self._client is None:
            return 0, 0, 0
        found = self._client.connected_server_version
        try:
            return found.major, found.minor, found.patch
        except ValueError:
            return 0, 0, 0

    @property
    def server(self) -> str:
        """The server that is, or was last, connected to, as "host:port"."""
        return self._last_server

    @property
    def max_payload_bytes(self) -> int:
        """How large a message may be at the server, with its headers."""
        return 0 if self._client is None else self._client.max_payload

    async def connect(self) -> NatsClient:
        """Return a connected client: the present one, or one at the first server that accepts.

        Raises:
            StreamError: no server could be reached, or one refuses the login.
        """
        async with self._lock:
            if self._is_closed:
                raise self._closed()
            if self._client is not None and self._client.is_connected:
                return self._client
            await self._drop()
            problems = []
            for server in self._list_servers():
                try:
                    async with asyncio.timeout(None) as self._attempt:
                        self._client = await self._try(server)
                except TimeoutError:  # `close` has ended the attempt
                    raise self._closed() from None
                except StreamError as error:
                    if self._is_closed:
                        raise self._closed() from None
                    if error.is_final:
                        raise
                    problems.append(error.problem)
                    continue
                finally:
                    self._attempt = None
                self._last_server = server
                self._has_connected = True
                self._unanswered = 0
                self.generation += 1
                self._learn_servers(self._client)
                return self._client
            raise StreamError(self._shown, "; ".join(problems))

    async def request(
        self, subject: str, payload: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Msg:
        """Send a request, and return its answer.

        Raises:
            StreamError: there is no connection, or no answer within 2 s.
        """
        client = await self.connect()
        if client.is_denied(subject):  # an earlier request
            client.denied = ""
        given = None if headers is None else dict(headers)
        try:
            work = client.request(subject, payload, timeout=ANSWER_S, headers=given)
            answer = await keep_cancelling(work)
        except nats_errors.NoRespondersError:
            self._unanswered += 1
            problem = "no server of the broker has JetStream, or its stream, ready"
            raise Refusal(self._shown, problem, NO_RESPONDERS) from None
        except nats_errors.MaxPayloadError:
            limit = client.max_payload
            problem = f"the broker accepts messages of at most {limit:,} bytes"
            fix = "set its max_payload to 1 MB or more"
            raise StreamError(self._shown, problem, fix, is_final=True) from None
        except (nats_errors.ConnectionClosedError, nats_errors.OutboundBufferLimitError):
            raise StreamError(self._shown, "the connection to the broker ended") from None
        except TimeoutError:
            self._unanswered += 1
            problem = f"the broker gave no answer within {ANSWER_S:g} s"
            raise client.explain(self._shown, problem, subject) from None
        except (nats_errors.Error, OSError) as error:
            raise StreamError(self._shown, describe(error)) from None
        finally:
            if self._unanswered >= MAX_UNANSWERED and client is self._client:
                await self._drop()
        self._unanswered = 0
        return answer

    async def call(self, method: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the answer of a method of JetStream's API, such as "STREAM.INFO.name".

        Raises:
            Refusal: the answer is an error.
            StreamError: there is no answer.
        """
        payload = b"" if arguments is None else json.dumps(arguments).encode()
        answer = await self.request(f"$JS.API.{method}", payload)
        return self.read_answer(answer)

    def read_answer(self, answer: Msg) -> dict[str, Any]:
        """Return the JSON of an answer; raise `Refusal` if it is an error."""
        try:
            found = json.loads(answer.data)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise StreamError(self._shown, "the broker's answer is not a JSON object")
        error = found.get("error")
        if isinstance(error, dict):
            problem = f"the broker refused: {format_line(str(error.get('description')))}"
            raise Refusal(self._shown, problem, error.get("err_code", 0))
        return found

    @contextlib.asynccontextmanager
    async def listen(self) -> AsyncIterator[Inbox]:
        """Return an inbox at a new subject; it ends with the connection that it was made on."""
        client = await self.connect()
        inbox = Inbox(self._address, client.new_inbox(), client)
        client.inboxes.add(inbox)
        subscription = None
        try:
            try:
                work = client.subscribe(inbox.subject, cb=inbox.add)
                subscription = await keep_cancelling(work)
            except (nats_errors.Error, OSError) as error:
                raise StreamError(self._shown, describe(error)) from None
            yield inbox
        finally:
            client.inboxes.discard(inbox)
            if subscription is not None:
                with contextlib.suppress(nats_errors.Error, OSError):
                    await keep_cancelling(subscription.unsubscribe())

    async def close(self) -> None:
        """Close the connection for good; an attempt to connect ends."""
        self._is_closed = True
        if self._attempt is not None:
            self._attempt.reschedule(asyncio.get_running_loop().time())
        if self._trying is not None:
            # The cancellation may get lost in nats-py, as `keep_cancelling` says.
            self._trying.abort()
        async with self._lock:
            await self._drop()

    def _closed(self) -> StreamError:
        return StreamError(self._shown, "the broker was closed", is_final=True)

    async def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await close_client(client)

    def _list_servers(self) -> list[str]:
        """Return the servers in random order, the one used last at the end: it may be faulty."""
        servers = list(self._address.servers)
        random.shuffle(servers)
        servers += [each for each in self.discovered if each not in servers]
        servers.sort(key=lambda server: server == self._last_server)
        return servers

    def _learn_servers(self, client: NatsClient) -> None:
        """Remember further servers of the cluster."""
        # With TLS they may be IP addresses, which are in no certificate.
        if not client.is_encrypted:
            self.discovered = [uri.netloc for uri in client.discovered_servers]

    async def _try(self, server: str) -> NatsClient:
        """Connect to a server, or raise the reason."""
        address = self._address
        client = self._trying = NatsClient(must_use_tls=address.is_tls)
        options: dict[str, Any] = {}
        if address.creds is not None:
            read_credentials(address)
            options["user_jwt_cb"] = lambda: read_credentials(address)[0]
            options["signature_cb"] = lambda nonce: sign(read_credentials(address)[1], nonce)
        if (context := make_context(address)) is not None:
            options["tls"] = context
        try:
            work = client.connect(
                f"{'tls' if address.is_tls else 'nats'}://{server}",
                name="tickerkit",
                user=address.user,
                password=address.password,
                token=address.token,
                error_cb=client.on_error,
                closed_cb=client.on_closed,
                allow_reconnect=False,
                connect_timeout=CONNECT_S,
                ping_interval=PING_S,
                max_outstanding_pings=MAX_PINGS,
                pending_size=0,
                **options,
            )
            await keep_cancelling(work)
            client.has_connected = True
        except (nats_errors.Error, OSError, TimeoutError, ValueError) as error:
            await close_client(client)
            raise self._explain(server, error) from None
        except BaseException:
            await close_client(client)
            raise
        finally:
            self._trying = None
        return client

    def _explain(self, server: str, error: Exception) -> StreamError:
        """Return why a server could not be connected to."""
        # A login that was accepted once may be refused while the servers are changed.
        is_final = not self._has_connected
        if isinstance(error, StreamError):
            return error
        if isinstance(error, nats_errors.SecureConnWantedError):
            problem, fix = f"{server} doesn't use TLS", "use nats:// instead of tls://"
            return StreamError(self._shown, problem, fix, is_final=True)
        if isinstance(error, ssl.SSLCertVerificationError):
            problem = f"the certificate of {server} does not verify ({error.verify_message})"
            fix = "pass ca= with the path of a certificate to trust"
            return StreamError(self._shown, problem, fix, is_final=is_final)
        if isinstance(error, TimeoutError):
            return StreamError(self._shown, f"{server} did not answer within {CONNECT_S} s")
        text = describe(error)
        if isinstance(error, OSError):
            # asyncio's own texts name the address once more, and for several addresses of a host
            # they are all that its error has.
            is_refused = f"[Errno {errno.ECONNREFUSED}]" in str(error)
            text = "connection refused" if is_refused else (error.strerror or text).lower()
        if type(error) is nats_errors.Error and is_login_problem(text):
            problem = f"{server} refuses the login ({text})"
            return StreamError(self._shown, problem, LOGIN_FIX, is_final=is_final)
        return StreamError(self._shown, f"{server} can't be connected to ({text})")
