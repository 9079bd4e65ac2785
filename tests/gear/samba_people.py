"""People and groups of a Samba domain: samba_people.py SMB_CONF. Writes the local database; the server need not run."""

import sys

from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
import ldb

loaded = LoadParm()
loaded.load(sys.argv[1])
sam = SamDB(session_info=system_session(), lp=loaded)
TOP = "DC=example,DC=test"
USERS = f"CN=Users,{TOP}"

sam.set_maxPwdAge(-42 * 24 * 3600 * 10_000_000)
sam.modify_ldif(
    f"dn: {TOP}\nchangetype: modify\nreplace: pwdProperties\npwdProperties: 0\n-\n"
    "replace: minPwdLength\nminPwdLength: 4\n-\nreplace: lockoutThreshold\nlockoutThreshold: 3\n-\n"
    "replace: lockoutDuration\nlockoutDuration: -18000000000\n-\n"
    "replace: lockOutObservationWindow\nlockOutObservationWindow: -18000000000\n"
)

people = ["alice", "bob", "disabled", "expired", "pwexpired", "mustchange", "locked", "nohours", "badws"]
for name in people + ["svc-radius"]:
    password = "Svc-Pw1" if name == "svc-radius" else "Secret-Pw1"
    sam.newuser(name, password, mailaddress=f"{name}@example.test")
# A name with all that has a meaning in DNs.
sam.newuser("juergen", "Secret-Pw1")
sam.rename(f"CN=juergen,{USERS}", f"CN=Jürgen\\, Dr Dö\\+e,{USERS}")

# Two people whose names are one by Unicode's case folding.
sam.newuser("gross", "Secret-Pw1")
sam.newuser("groß", "Other-Pw2")

for group in ["vpn-users", "staff", "it-admins", "loop-a", "loop-b", "of-primary"]:
    sam.newgroup(group)
sam.add_remove_group_members("vpn-users", ["staff", "bob"], add_members_operation=True)
sam.add_remove_group_members("staff", ["it-admins"], add_members_operation=True)
sam.add_remove_group_members("it-admins", ["alice"], add_members_operation=True)
sam.add_remove_group_members("loop-a", ["loop-b", "alice"], add_members_operation=True)
sam.add_remove_group_members("loop-b", ["loop-a"], add_members_operation=True)
sam.add_remove_group_members("of-primary", ["Domain Users"], add_members_operation=True)


def change(name, **attributes):
    message = ldb.Message(ldb.Dn(sam, f"CN={name},{USERS}"))
    for attribute, value in attributes.items():
        message[attribute] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, attribute)
    sam.modify(message)


change("alice", mobile="+41 79 123 45 67", department="Engineering")
change("disabled", userAccountControl="514")
change("mustchange", pwdLastSet="0")
change("expired", accountExpires="125911584000000000")
change("nohours", logonHours=bytes(21))
change("badws", userWorkstations="SOMEPC")
