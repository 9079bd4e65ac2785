"""Duo for tests: the Auth API over TLS, as far as a RADIUS server uses it, and a control address for whoever tests.

    duo.py FOLDER IKEY SKEY

FOLDER holds server.pem and server.key, and stranger.pem and stranger.key from an authority that nobody trusts. One line of
JSON on standard output tells the ports: {"port": of the API, "control": of the control address}. Ends when its standard
input does.

Every call but ping is checked with the signing functions of Duo's own client, and refused for what Duo would refuse it for; a
parameter that the API does not have is refused too, which Duo would not do.

Control: POST / with one JSON object over plain HTTP.

    {"op": "user", "name": "anna", "user": {"result": "auth", "devices": [..], "passcodes": ["123456"], ..}}
        what is not given is taken from USER; the name "*" stands for everybody who is not named
    {"op": "decide", "decision": "approve", "after": 2, "user": "anna"}
        what the user does "after" seconds from the question, for questions that wait and for later ones; without "user": all.
        "wait", or a key of DECISIONS
    {"op": "fault", "fault": {"kind": "slow", "seconds": 3, "path": "/auth/v2/auth", "times": 1}}
        what is wrong from now on, everywhere or with one path, always or so many times; null: nothing. See FAULTS
    {"op": "received"}
        calls that were answered, connections, octets that were sent of a huge answer
"""

import email.utils
import hashlib
import hmac
import http.server
import json
import os
import socket
import ssl
import sys
import threading
import time
import urllib.parse
import uuid

from duo_client import client as duo

# result, status, status_msg
DECISIONS = {
    "approve": ("allow", "allow", "Success. Logging you in..."),
    "bypass": ("allow", "bypass", "Bypassed."),
    "deny": ("deny", "deny", "Login request denied."),
    "fraud": ("deny", "fraud", "Login request reported as fraudulent."),
    "timeout": ("deny", "timeout", "Login timed out."),
    "locked_out": ("deny", "locked_out", "Your account is locked out."),
    "push_failed": ("deny", "push_failed", "Failed to send push."),
}

USER = {
    "result": "auth",
    "status_msg": "Account is active",
    "devices": [
        {
            "device": "DPPHONE1",
            "type": "phone",
            "name": "",
            "number": "XXX-XXX-0100",
            "display_name": "iOS (XXX-XXX-0100)",
            "capabilities": ["auto", "push", "sms", "phone", "mobile_otp"],
        }
    ],
    "passcodes": [],
}

PARAMETERS = {
    "/auth/v2/preauth": {"username", "ipaddr"},
    "/auth/v2/auth": {"username", "ipaddr", "factor", "device", "passcode", "async", "type", "display_username", "pushinfo"},
    "/auth/v2/auth_status": {"txid"},
    "/auth/v2/ping": set(),
    "/auth/v2/check": set(),
}

# down        nobody listens, and connections that were open end
# stranger    a certificate of an unknown authority, and connections that were open end
# slow        "seconds" before the answer
# silent      the answer never comes
# hang        head, half a body, and then nothing
# trickle     an octet of the answer every half second
# cut         head, half a body, and the end of the connection
# drop        the connection ends instead of an answer
# huge        100 MB of answer; with "chunked" nobody is told in advance
# headers     a head without end
# garbage     octets that are not HTTP
# truncated   half the answer as if it were all
# answer      "status" (200), "headers" and "body" (an object, or a text as it stands) instead of the answer
# skew        Duo's clock is "seconds" ahead; with "code", a date that is off gets this code instead of 40105
FAULTS = set("down stranger slow silent hang trickle cut drop huge headers garbage truncated answer skew".split())

# For how long a poll is held before it is told that there is nothing.
HOLD = 10


class Fail(Exception):
    """A refusal: HTTP status, Duo's code, its words."""


class Duo:
    """What Duo knows. One lock for all of it."""

    def __init__(self, ikey, skey):
        self.ikey, self.skey = ikey, skey
        self.changed = threading.Condition()
        self.users = {"*": dict(USER)}
        self.decisions = {"*": ("wait", 0)}
        self.questions = {}
        self.fault = None
        self.calls = []
        self.connections = 0
        self.octets = 0

    def user(self, name):
        return self.users.get(name.lower(), self.users["*"])

    def time(self):
        skewed = self.fault and self.fault["kind"] == "skew"
        return time.time() + (self.fault["seconds"] if skewed else 0)

    def take_fault(self, path):
        """The fault of this call, if it has one."""
        with self.changed:
            fault = self.fault
            if not fault or fault.get("path", path) != path or fault["kind"] == "skew":
                return None
            if "times" in fault:
                fault["times"] -= 1
                if fault["times"] <= 0:
                    self.fault = None
            return fault

    def call(self, path, params):
        return {
            "/auth/v2/preauth": self.preauth,
            "/auth/v2/auth": self.auth,
            "/auth/v2/auth_status": self.auth_status,
        }[path](params)

    def preauth(self, params):
        user = self.user(needed(params, "username"))
        keys = {"auth": ["devices"], "enroll": ["enroll_portal_url"]}.get(user["result"], [])
        return {key: user[key] for key in ["result", "status_msg", *keys] if key in user}

    def auth(self, params):
        name, factor = needed(params, "username"), needed(params, "factor")
        user = self.user(name)
        if factor == "passcode":
            passcode = needed(params, "passcode")
            with self.changed:
                if passcode not in user["passcodes"]:
                    return said("deny", "deny", "Incorrect passcode. Please try again.")
                user["passcodes"].remove(passcode)
            return said(*DECISIONS["approve"])
        device = next((d for d in user["devices"] if d["device"] == needed(params, "device")), None)
        if device is None or factor not in device["capabilities"]:
            raise Fail(400, 40002, "Invalid request parameters")
        if factor == "sms":
            return said("deny", "sent", "New SMS passcodes sent")
        if factor not in ("push", "phone") or params.get("async") != "1":
            raise Fail(400, 40002, "Invalid request parameters")
        urllib.parse.parse_qs(params.get("pushinfo", "a=b"), strict_parsing=True)
        txid = str(uuid.uuid4())
        with self.changed:
            self.questions[txid] = {"user": name, "factor": factor, "begun": time.time(), "polls": 0, "decided": None}
        return {"txid": txid}

    def auth_status(self, params):
        with self.changed:
            question = self.questions.get(needed(params, "txid"))
            if question is None:
                raise Fail(400, 40002, "Invalid request parameters")
            question["polls"] += 1
            first, end = question["polls"] == 1, time.time() + HOLD
            while True:
                now = time.time()
                decision, after = self.decisions.get(question["user"], self.decisions["*"])
                due = question["begun"] + after
                if question["decided"] is None and decision != "wait" and now >= due:
                    question["decided"] = decision
                if question["decided"]:
                    return said(*DECISIONS[question["decided"]])
                if first or now >= end:
                    if question["factor"] == "push":
                        return said("waiting", "pushed", "Pushed a login request to your device...")
                    return said("waiting", "calling", "Dialing XXX-XXX-0100...")
                self.changed.wait(min(end, due if decision != "wait" and due > now else end) - now)


def needed(params, name):
    if not params.get(name):
        raise Fail(400, 40001, "Missing required request parameters")
    return params[name]


def said(result, status, message):
    return {"result": result, "status": status, "status_msg": message}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Duo/1.0"
    sys_version = ""
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return email.utils.formatdate(self.server.duo.time(), usegmt=True)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        self.answer(path, query)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.headers["Content-Type"] != "application/x-www-form-urlencoded":
            return self.send(400, {"stat": "FAIL", "code": 40000, "message": "Not a form"})
        self.answer(self.path, body)

    def answer(self, path, text):
        fault = self.server.duo.take_fault(path) or {"kind": None}
        kind = fault["kind"]
        if kind == "slow":
            time.sleep(fault["seconds"])
        elif kind == "silent":
            time.sleep(300)
        elif kind == "drop":
            self.close_connection = True
            return
        elif kind == "garbage":
            self.wfile.write(b"\x00\x01\x02 this is not HTTP\r\n\r\n" * 4)
            self.close_connection = True
            return
        elif kind == "headers":
            return self.send_head_without_end()
        elif kind == "huge":
            return self.send_huge(fault)
        elif kind == "answer":
            self.record(path, text, fault.get("status", 200))
            return self.send(fault.get("status", 200), fault.get("body", ""), fault.get("headers"))
        try:
            params = self.checked(path, text)
            status, body = 200, {"stat": "OK", "response": {"time": int(self.server.duo.time())}}
            if path not in ("/auth/v2/ping", "/auth/v2/check"):
                body["response"] = self.server.duo.call(path, params)
        except Fail as fail:
            status, code, message = fail.args
            body = {"stat": "FAIL", "code": code, "message": message}
        except ValueError:
            status, body = 400, {"stat": "FAIL", "code": 40002, "message": "Invalid request parameters"}
        self.record(path, text, status)
        octets = json.dumps(body).encode()
        if kind == "truncated":
            return self.send(status, octets[: len(octets) // 2])
        if kind == "trickle":
            self.head(status, len(octets))
            for octet in octets:
                self.wfile.write(bytes([octet]))
                time.sleep(0.5)
        if kind in ("hang", "cut"):
            self.head(status, len(octets))
            self.wfile.write(octets[: len(octets) // 2])
            if kind == "hang":
                time.sleep(300)
            self.close_connection = True
            return
        self.send(status, octets)

    def checked(self, path, text):
        """The parameters, if the call may be answered."""
        if path not in PARAMETERS or (self.command == "POST") != (path in ("/auth/v2/preauth", "/auth/v2/auth")):
            raise Fail(404, 40401, "Resource not found")
        lists = urllib.parse.parse_qs(
            text, keep_blank_values=True, strict_parsing=bool(text), encoding="utf-8", errors="strict"
        )
        if path != "/auth/v2/ping":
            self.check_signature(path, lists)
        if set(lists) - PARAMETERS[path] or any(len(values) > 1 for values in lists.values()):
            raise Fail(400, 40002, "Invalid request parameters")
        return {key: values[0] for key, values in lists.items()}

    def check_signature(self, path, lists):
        here = self.server.duo
        date = self.headers["Date"]
        host = self.headers["Host"].rpartition(":")[0] or self.headers["Host"]
        expected = duo.sign(
            here.ikey, here.skey, self.command, host, path, date, 2, duo.normalize_params(lists), digestmod=hashlib.sha512
        )
        presented = self.headers["Authorization"] or ""
        if not presented:
            raise Fail(401, 40101, "Missing request credentials")
        sent = email.utils.parsedate_to_datetime(date).timestamp()
        if abs(sent - here.time()) > 300:
            raise Fail(401, (here.fault or {}).get("code", 40105), "Bad request timestamp")
        if not hmac.compare_digest(expected, presented):
            raise Fail(401, 40103, "Invalid signature in request credentials")

    def record(self, path, text, status):
        params = dict(urllib.parse.parse_qsl(text, keep_blank_values=True))
        call = {"path": path, "params": params, "status": status, "connection": self.connection_number, "at": time.time()}
        call["agent"] = self.headers["User-Agent"]
        with self.server.duo.changed:
            self.server.duo.calls.append(call)

    def setup(self):
        super().setup()
        with self.server.duo.changed:
            self.server.duo.connections += 1
            self.connection_number = self.server.duo.connections

    def head(self, status, length, headers=None):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()

    def send(self, status, body, headers=None):
        octets = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.head(status, len(octets), headers)
        self.wfile.write(octets)

    def send_huge(self, fault):
        size, piece = 100 * 1024 * 1024, b" " * 16384
        self.close_connection = True
        if fault.get("chunked"):
            self.head(200, None, {"Transfer-Encoding": "chunked"})
            framed = b"4000\r\n" + piece + b"\r\n"
        else:
            self.head(200, size)
            framed = piece
        for _ in range(size // len(piece)):
            self.wfile.write(framed)
            with self.server.duo.changed:
                self.server.duo.octets += len(piece)

    def send_head_without_end(self):
        self.close_connection = True
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            self.wfile.write(b"X-More: " + b"x" * 8000 + b"\r\n")
            with self.server.duo.changed:
                self.server.duo.octets += 8000


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address, duo_, folder):
        super().__init__(address, Handler, bind_and_activate=False)
        self.duo, self.open = duo_, set()
        self.contexts = {}
        for name in ("server", "stranger"):
            self.contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.contexts[name].load_cert_chain(os.path.join(folder, f"{name}.pem"), os.path.join(folder, f"{name}.key"))

    def server_bind(self):
        # Without the reverse look-up of the name.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address

    def finish_request(self, request, client_address):
        fault = self.duo.fault
        name = "stranger" if fault and fault["kind"] == "stranger" else "server"
        try:
            with self.contexts[name].wrap_socket(request, server_side=True) as tls:
                self.open.add(tls)
                try:
                    Handler(tls, client_address, self)
                finally:
                    self.open.discard(tls)
                    end(tls)
        except OSError:
            # Whoever is tested may end a connection whenever he likes.
            pass

    def hang_up(self):
        for tls in list(self.open):
            end(tls)


def end(tls):
    """Ends a connection, for whoever reads from it too."""
    try:
        socket.socket.shutdown(tls, socket.SHUT_RDWR)
    except OSError:
        pass


class Listener:
    """The API's port, which can be closed and opened again. Closed, it is still bound, so that nobody else gets it."""

    def __init__(self, duo_, folder):
        self.duo, self.folder = duo_, folder
        self.bind(("127.0.0.1", 0))
        self.up()

    def bind(self, address):
        self.server, self.listens = Server(address, self.duo, self.folder), False
        self.server.server_bind()

    def up(self):
        if not self.listens:
            self.server.server_activate()
            threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
            self.listens = True

    def down(self):
        if self.listens:
            old = self.server
            old.shutdown()
            old.server_close()
            self.bind(old.server_address)
            old.hang_up()


class Control(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        try:
            status, body = 200, self.order(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        except (KeyError, ValueError, AssertionError) as error:
            status, body = 400, {"error": repr(error)}
        octets = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def order(self, order):
        here, listener = self.server.duo, self.server.listener
        with here.changed:
            if order["op"] == "user":
                here.users[order["name"].lower()] = USER | order["user"]
            elif order["op"] == "decide":
                assert order["decision"] == "wait" or order["decision"] in DECISIONS, order
                if "user" not in order:
                    here.decisions.clear()
                here.decisions[order.get("user", "*")] = (order["decision"], order.get("after", 0))
            elif order["op"] == "fault":
                assert order["fault"] is None or order["fault"]["kind"] in FAULTS, order
                here.fault = order["fault"]
            elif order["op"] == "received":
                return {"calls": here.calls, "connections": here.connections, "octets": here.octets}
            else:
                raise ValueError(order["op"])
            here.changed.notify_all()
        if order["op"] == "fault":
            kind = (order["fault"] or {}).get("kind")
            listener.down() if kind == "down" else listener.up()
            if kind == "stranger":
                listener.server.hang_up()
        return {}


def main():
    folder, ikey, skey = sys.argv[1:]
    here = Duo(ikey, skey)
    listener = Listener(here, folder)
    control = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Control)
    control.duo, control.listener, control.daemon_threads = here, listener, True
    threading.Thread(target=control.serve_forever, daemon=True).start()
    print(json.dumps({"port": listener.server.server_port, "control": control.server_port}), flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
