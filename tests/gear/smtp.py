#!/usr/bin/env python3
"""smtp.py FOLDER: a mail server (aiosmtpd) for tests.

FOLDER holds server.pem and server.key. Prints one line of JSON with its ports on 127.0.0.1: "starttls" (TLS and AUTH are
required), "tls" (TLS from the beginning, AUTH required), "plain" (neither is there). Each mail is written to FOLDER/mail/N as
JSON: to, from, data. The login is radius with the password mailpw.

What becomes of a mail lies with the name before the @ of its recipient: reject (550), grey (451), slow (no answer to RCPT TO
for a long time), spam (554 to the mail itself), silent (no answer to the mail itself, which is kept). Ends with its standard
input.
"""
import asyncio
import json
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

FOLDER = pathlib.Path(sys.argv[1])
MAIL = FOLDER / "mail"


def login(_server, _session, _envelope, _mechanism, data):
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"radius", b"mailpw")
    return AuthResult(success=right, handled=False)


class Box:
    count = 0

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        who = address.split("@")[0]
        if who == "reject":
            return f"550 5.1.1 <{address}>: no such user"
        if who == "grey":
            return f"451 4.7.1 <{address}>: try again later"
        if who == "slow":
            await asyncio.sleep(60)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):
        who = envelope.rcpt_tos[0].split("@")[0]
        if who == "spam":
            return "554 5.7.1 looks like spam: " + envelope.content.decode().split("\r\n\r\n", 1)[1].replace("\r\n", " ")
        Box.count += 1
        mail = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "data": envelope.content.decode()}
        part = MAIL / f".{Box.count}"
        part.write_text(json.dumps(mail))
        part.rename(MAIL / str(Box.count))
        if who == "silent":
            await asyncio.sleep(60)
        return "250 OK"


async def main():
    MAIL.mkdir(exist_ok=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(FOLDER / "server.pem", FOLDER / "server.key")
    box = Box()
    auth = {"authenticator": login, "auth_required": True}
    kinds = {
        "starttls": ({"tls_context": tls, "require_starttls": True, **auth}, None),
        "tls": ({"auth_require_tls": False, **auth}, tls),
        "plain": ({}, None),
    }
    loop = asyncio.get_running_loop()
    ports = {}
    for name, (options, context) in kinds.items():
        server = await loop.create_server(lambda o=options: SMTP(box, hostname="test", **o), "127.0.0.1", 0, ssl=context)
        ports[name] = server.sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
