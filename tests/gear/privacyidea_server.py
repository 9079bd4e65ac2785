"""A privacyIDEA server in a folder of its own, with users, tokens and their smartphones, for the tests.

    privacyidea_server.py FOLDER

When it listens it prints one line of JSON, {"port": 40404}; then it takes orders, one JSON array a line on standard input, and
answers each with a line of JSON; see Orders. It ends with its input, and removes the folder.
"""
import base64, json, os, shutil, sys, threading
import urllib.error, urllib.parse, urllib.request
from datetime import datetime, timezone

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

REALM = "gear"
# For policies that must not hold for all the other tests.
OTHER_REALM = "open"
USERS = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "niaj", "olivia", "peggy", "rupert"]
# RFC 4226, appendix D.
SEED = "3132333435363738393031323334353637383930"


def make(folder):
    """The server: its keys, database, administrator, users and policies. Its application and its port."""
    config = os.path.join(folder, "pi.cfg")
    with open(config, "w") as file:
        file.write(f"""
SUPERUSER_REALM = ['super']
SQLALCHEMY_DATABASE_URI = 'sqlite:///{folder}/pi.db'
SQLALCHEMY_ENGINE_OPTIONS = {{'connect_args': {{'timeout': 20}}}}
SECRET_KEY = 'for-tests-0123456789abcdef-0123456789'
PI_PEPPER = 'for-tests'
PI_ENCFILE = '{folder}/enckey'
PI_AUDIT_MODULE = 'privacyidea.lib.auditmodules.base'
PI_LOGFILE = '{folder}/log'
PI_LOGLEVEL = 30
PI_HASH_ALGO_LIST = ['pbkdf2_sha512']
PI_HASH_ALGO_PARAMS = {{'pbkdf2_sha512__rounds': 10}}
""")
    with open(os.path.join(folder, "enckey"), "wb") as file:
        file.write(os.urandom(96))
    with open(os.path.join(folder, "passwd"), "w") as file:
        file.writelines(f"{name}:*:{1000 + n}:{1000 + n}:{name},,,:/:/bin/sh\n" for n, name in enumerate(USERS))

    from privacyidea.app import create_app
    from privacyidea.lib.auth import create_db_admin
    from privacyidea.lib.realm import set_default_realm, set_realm
    from privacyidea.lib.resolver import save_resolver
    from privacyidea.models import db
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_):
            pass

    app = create_app(config_name="production", config_file=config, silent=True)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    with app.app_context():
        db.create_all()
        create_db_admin("admin", password="adminpw")
        save_resolver({"resolver": "file", "type": "passwdresolver", "fileName": os.path.join(folder, "passwd")})
        set_realm(REALM, [{"name": "file"}])
        set_realm(OTHER_REALM, [{"name": "file"}])
        set_default_realm(REALM)
    return server


class Phone:
    """The app on a user's smartphone, with one token."""

    def __init__(self, http, serial, credential):
        self.http, self.serial = http, serial
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.http("/ttype/push", serial=serial, fbtoken="none", enrollment_credential=credential,
                  pubkey=base64.b64encode(public).decode())

    def sign(self, text):
        return base64.b32encode(self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()

    def questions(self):
        now = datetime.now(timezone.utc).isoformat()
        query = dict(serial=self.serial, timestamp=now, signature=self.sign(f"{self.serial}|{now}"))
        return self.http("/ttype/push?" + urllib.parse.urlencode(query))["result"]["value"]

    def answer(self, more=None):
        """Answers all that is asked: yes, or with `more` something else."""
        asked = self.questions()
        for question in asked:
            text = f"{question['nonce']}|{self.serial}" + ("|decline" if more else "")
            self.http("/ttype/push", serial=self.serial, nonce=question["nonce"], signature=self.sign(text), **(more or {}))
        return len(asked)


class Orders:
    def __init__(self, port):
        self.base, self.phones, self.headers = f"http://127.0.0.1:{port}", {}, {}
        token = self.http("/auth", username="admin", password="adminpw")["result"]["value"]["token"]
        self.headers = {"PI-Authorization": token}
        self.policy("push", "enrollment", {
            "push_firebase_configuration": "poll only", "push_registration_url": self.base + "/ttype/push", "push_ssl_verify": "0"})

    def http(self, path, json_body=None, **form):
        body = json.dumps(json_body) if json_body is not None else urllib.parse.urlencode(form)
        headers = dict(self.headers)
        if json_body is not None:
            headers["content-type"] = "application/json"
        request = urllib.request.Request(self.base + path, body.encode() if body else None, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.code} {error.read().decode()}")

    def policy(self, name, scope, action, user="", realm=REALM):
        """A policy; for one user, or for all of a realm."""
        self.http(f"/policy/{name}", dict(scope=scope, action=action, active=True, realm=realm, user=user))

    def token(self, user, kind, serial, pin, more):
        """A token of a user; `more` as /token/init has it."""
        self.http("/token/init", dict(type=kind, user=user, realm=REALM, serial=serial, pin=pin, **more))

    def oath(self, user, kind, serial, pin):
        self.token(user, kind, serial, pin, dict(otpkey=SEED, genkey=0))

    def phone(self, user, serial, pin):
        """A phone for a user, enrolled as the app does it."""
        detail = self.http("/token/init", dict(type="push", user=user, realm=REALM, serial=serial, pin=pin, genkey=1))["detail"]
        self.phones[serial] = Phone(self.http, serial, detail["enrollment_credential"])

    def approve(self, serial):
        return self.phones[serial].answer()

    def decline(self, serial):
        return self.phones[serial].answer({"decline": "1"})

    def questions(self, serial):
        return len(self.phones[serial].questions())


def main():
    server = make(sys.argv[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    orders = Orders(server.port)
    print(json.dumps({"port": server.port}), flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            answer = {"value": getattr(orders, name)(*arguments)}
        except Exception as error:
            answer = {"error": f"{name}: {error}"}
        print(json.dumps(answer), flush=True)
    shutil.rmtree(sys.argv[1])


main()
