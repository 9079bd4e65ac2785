#!/usr/bin/env python3
"""webhook.py with faults, for the tests: POST /control/fault {"kind": "500", "on": "poll", "times": 1}.

The fault happens to so many of the next answers to "ask", "poll" or "cancel".
"""
import asyncio, json, time

from webhook import Webhook, main

PAGE = b"<html><body>The proxy says approved.</body></html>"


class Faulty(Webhook):
    fault, kept = {"times": 0}, None

    def control(self, path, said):
        if path != "/control/fault":
            return super().control(path, said)
        self.fault = said
        return {}

    def happens(self, action, *kinds):
        return self.fault["times"] > 0 and self.fault["on"] == action and self.fault["kind"] in kinds

    async def answer(self, request):
        answer = await super().answer(request)
        kind = self.fault.get("kind")
        if not self.happens(request["action"], *FALSE):
            return answer
        self.fault["times"] -= 1
        return {**answer, **FALSE[kind]}

    async def request(self, headers, body):
        answer = await super().request(headers, body)
        try:
            action = json.loads(body)["action"]
        except ValueError:
            return answer
        if answer[0] == 200 and json.loads(answer[2])["status"] == "approved":
            self.kept = answer
        if not self.happens(action, *BROKEN):
            return answer
        self.fault["times"] -= 1
        return await BROKEN[self.fault["kind"]](self, headers, body, answer)

    def signed(self, headers, body, at=None, key=None):
        at = str(int(time.time()) if at is None else at).encode()
        if key:
            self.key, key = key, self.key
        signature = "v1=" + self.sign(at, headers["x-mfa-signature"][3:].encode(), body)
        if key:
            self.key = key
        return 200, {"x-mfa-timestamp": at.decode(), "x-mfa-signature": signature}, body

    async def send(self, writer, status, headers, body):
        if status == "close":
            raise ConnectionError
        if status == "cut":
            await super().send(writer, 200, {**headers, "content-length": len(body) + 10}, body)
            raise ConnectionError
        await super().send(writer, status, headers, body)


# What is signed as it should be, and is wrong.
FALSE = {
    "other_id": {"id": "0" * 32, "status": "approved"},
    "unknown_status": {"status": "perhaps"},
    "control": {"device": "phone\r\n\x1b[31mof \u202ealice"},
    "poll_url": {"poll_url": "https://192.0.2.1/poll"},
    "relative": {"poll_url": "/another/place?a=1"},
    "no_number": {"status": "approved", "number": None},
    "other_number": {"status": "approved", "number": "00"},
    "wrong_type": {"status": True},
    "interval": {"interval": 1e308},
    "factor": {"status": "approved", "factor": "totp"},
}


def status(code):
    async def broken(self, headers, body, answer):
        return code, {**answer[1], "location": "/control"}, answer[2]
    return broken


async def slow(self, headers, body, answer):
    await asyncio.sleep(60)
    return answer


async def approved(self, headers, body):
    return json.dumps({"id": json.loads(body)["id"], "status": "approved", "number": "42"}).encode()


async def unsigned(self, headers, body, answer):
    return 200, {}, await approved(self, headers, body)


async def stale(self, headers, body, answer):
    return self.signed(headers, await approved(self, headers, body), at=int(time.time()) - 301)


async def early(self, headers, body, answer):
    return self.signed(headers, await approved(self, headers, body), at=int(time.time()) + 310)


async def wrong_key(self, headers, body, answer):
    return self.signed(headers, await approved(self, headers, body), key=b"another key of this length")


async def unbound(self, headers, body, answer):
    """Signed as a request is: over time and body alone."""
    body, at = await approved(self, headers, body), str(int(time.time()))
    return 200, {"x-mfa-timestamp": at, "x-mfa-signature": "v1=" + self.sign(at.encode(), body)}, body


async def changed(self, headers, body, answer):
    return 200, answer[1], answer[2].replace(b"waiting", b"approved")


async def replayed(self, headers, body, answer):
    return self.kept


async def reflected(self, headers, body, answer):
    return 200, {name: headers[name] for name in ("x-mfa-timestamp", "x-mfa-signature")}, body


async def two_keys(self, headers, body, answer):
    """As it should be while the key is changed."""
    wrong = self.signed(headers, answer[2], key=b"another key of this length")[1]["x-mfa-signature"]
    right = self.signed(headers, answer[2])
    return 200, {**right[1], "x-mfa-signature": f"{wrong}, v2=x, {right[1]['x-mfa-signature']}"}, answer[2]


def body_of(text):
    async def broken(self, headers, body, answer):
        return self.signed(headers, text)
    return broken


async def page(self, headers, body, answer):
    return 200, {"content-type": "text/html"}, PAGE


async def close(self, headers, body, answer):
    return "close", {}, b""


async def cut(self, headers, body, answer):
    return "cut", answer[1], answer[2]


async def huge(self, headers, body, answer):
    return self.signed(headers, b'{"status":"approved","x":"' + b"x" * 100_000_000 + b'"}')


# What is not signed as it should be, or is no answer at all.
BROKEN = {
    **{str(code): status(code) for code in (204, 302, 307, 401, 404, 500, 503)},
    "slow": slow, "close": close, "cut": cut, "huge": huge, "page": page,
    "unsigned": unsigned, "stale": stale, "early": early, "wrong_key": wrong_key, "unbound": unbound,
    "changed": changed, "replayed": replayed, "reflected": reflected, "two_keys": two_keys,
    "truncated": body_of(b'{"id": "'), "array": body_of(b"[true]"), "empty": body_of(b""), "null": body_of(b"null"),
    "deep": body_of(b"[" * 100_000),
}

if __name__ == "__main__":
    asyncio.run(main(Faulty))
