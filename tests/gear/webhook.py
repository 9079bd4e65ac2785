#!/usr/bin/env python3
"""The other side of doc/webhook.md, with Python's own library: an example, and what the tests and the demonstration talk to.

Where a real one would ask a phone, this one waits to be told at /control, on loopback, by whoever can reach it:

    GET  /control            {"asked": 1, "polled": 3, "cancelled": 0, "pending": [the questions as they were asked]}
    POST /control/decide     {"user": "alice", "status": "approved"}: decides her open questions; all users' without "user";
                             with "id" that one alone
    POST /control/preset     {"user": "bob", "status": "no_device", "after": 0}: from now on, so many seconds after the question

The key is taken from the environment, MFA_WEBHOOK_KEY. When it listens it prints one line: {"port": 40404}.
"""
import argparse, asyncio, hashlib, hmac, json, os, resource, time

SKEW = 300  # seconds that a request may be old
KEEP = 2 * SKEW  # seconds that a question is remembered: a request that is repeated must not ask again


class Question:
    def __init__(self, asked):
        self.asked, self.status, self.given = asked, "waiting", None
        self.received = time.monotonic()
        self.decided = asyncio.Event()

    def is_open(self):
        if self.status == "waiting" and time.monotonic() > self.received + self.asked["expires_in"]:
            self.decide("expired")
        return self.status == "waiting"

    def decide(self, status, given=None):
        """The user has said so; `given` is the number that he chose or typed on his device."""
        if self.status == "waiting":
            self.status, self.given = status, given
            self.decided.set()


class Webhook:
    def __init__(self, key, interval, hold):
        self.key, self.interval, self.hold = key, interval, hold
        self.questions, self.presets = {}, {}
        self.count = {"asked": 0, "polled": 0, "cancelled": 0}

    # The protocol.

    def sign(self, *parts):
        return hmac.new(self.key, b".".join(parts), hashlib.sha256).hexdigest()

    async def request(self, headers, body):
        """A request of the module: status, headers and body of the answer."""
        at, signature = headers.get("x-mfa-timestamp", ""), headers.get("x-mfa-signature", "")
        right = self.sign(at.encode(), body)
        if not hmac.compare_digest(signature.encode(), f"v1={right}".encode()) or abs(time.time() - int(at)) > SKEW:
            return 401, {}, b"{}"
        answer = json.dumps(await self.answer(json.loads(body))).encode()
        at = str(int(time.time())).encode()
        signature = "v1=" + self.sign(at, right.encode(), answer)
        return 200, {"x-mfa-timestamp": at.decode(), "x-mfa-signature": signature}, answer

    async def answer(self, request):
        """What is answered to a request whose signature is right."""
        action, id = request["action"], request["id"]
        if action == "ask" and id not in self.questions:
            self.ask(request)
        question = self.questions.get(id)
        if question is None:
            return {"id": id, "status": "expired"}
        if action == "cancel" and question.status in ("waiting", "expired"):
            self.count["cancelled"] += 1
            question.decide("expired")
        if action == "poll":
            self.count["polled"] += 1
            hold = min(self.hold, request.get("hold", 0))
            if hold and question.is_open():
                try:
                    await asyncio.wait_for(question.decided.wait(), hold)
                except asyncio.TimeoutError:
                    pass
        question.is_open()
        return {"id": id, "status": question.status, "device": f"phone of {question.asked['user']}",
                "number": question.given, "interval": self.interval}

    def ask(self, asked):
        """A new question. Here a real server would reach for the user's phone."""
        self.count["asked"] += 1
        now = time.monotonic()
        while self.questions and next(iter(self.questions.values())).received < now - KEEP:
            del self.questions[next(iter(self.questions))]
        question = self.questions[asked["id"]] = Question(asked)
        preset = self.presets.get(asked["user"], self.presets.get(None))
        if preset and preset.get("after"):
            asyncio.get_running_loop().call_later(preset["after"], question.decide, preset["status"], asked["number"])
        elif preset:
            question.decide(preset["status"], asked["number"])

    # What tests and the demonstration do in the users' stead.

    def control(self, path, said):
        is_open = [question for question in self.questions.values() if question.is_open()]
        user = said.get("user")
        if path == "/control/decide":
            chosen = [question for question in is_open if user in (None, question.asked["user"])
                      and said.get("id") in (None, question.asked["id"])]
            for question in chosen:
                question.decide(said["status"], said.get("number", question.asked["number"]))
            return {"decided": len(chosen)}
        if path == "/control/preset":
            self.presets[user] = said
            return {}
        return {**self.count, "pending": [question.asked for question in is_open]}

    # As much of HTTP as it takes. A real server would have a framework for this, and TLS in front of it.

    async def connection(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                path = head[0].split(" ")[1]
                if path.startswith("/control"):
                    answer = 200, {}, json.dumps(self.control(path, json.loads(body or "{}"))).encode()
                else:
                    answer = await self.request(headers, body)
                await self.send(writer, *answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def send(self, writer, status, headers, body):
        headers = {"content-type": "application/json", "content-length": len(body), **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status} -\r\n{head}\r\n".encode() + body)
        await writer.drain()


async def main(kind=Webhook):
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, default=0, help="a free one if not given")
    options.add_argument("--interval", type=float, default=1, help="seconds between two polls")
    options.add_argument("--hold", type=float, default=0, help="seconds to keep a poll until there is news")
    options = options.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    webhook = kind(os.environ["MFA_WEBHOOK_KEY"].encode(), options.interval, options.hold)
    server = await asyncio.start_server(webhook.connection, "127.0.0.1", options.port, backlog=4096)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
