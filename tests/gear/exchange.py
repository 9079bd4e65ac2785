"""Exchanges names in a folder for links, as fast as it can: what whoever owns the folder may do while root works in it.

exchange.py FOLDER WHAT TARGET...: WHAT is "all", for each name that turns up in the folder, or one name. Ends with the file
"stop" in the folder.
"""

import os
import random
import sys
import time

# Exchanged now and then only: mostly the store is to be in order, so that the command gets far.
STORE = {"mfa.db", "mfa.db-wal", "mfa.db-shm", "mfa.key"}


def exchange(name, target):
    """Puts a link in the place of a name for a moment. Whether there was something to exchange."""
    aside = "aside-" + name
    try:
        os.rename(name, aside)
    except OSError:
        return False
    try:
        os.symlink(target, name)
    except OSError:
        pass
    for _ in range(random.randrange(400)):
        pass
    try:
        if os.path.islink(name):
            os.unlink(name)
        if os.path.islink(aside):
            os.unlink(aside)
        else:
            os.rename(aside, name)
    except OSError:
        pass
    return True


def replace(name, target):
    """Puts a link in the place of a name, for good."""
    try:
        os.symlink(target, "aside-link")
        os.rename("aside-link", name)
    except OSError:
        pass


def main():
    folder, what, targets = sys.argv[1], sys.argv[2], sys.argv[3:]
    os.chdir(folder)
    print("ready", flush=True)
    while True:
        names = os.listdir(".")
        if "stop" in names:
            return
        target = random.choice(targets)
        if what == "all":
            for name in names:
                if name.startswith("aside-") or (name in STORE and random.randrange(400)):
                    continue
                if name in STORE or random.randrange(2):
                    exchange(name, target)
                else:
                    replace(name, target)
        elif random.randrange(2):
            for _ in range(100):
                replace(what, target)
            time.sleep(random.random() / 200)
        else:
            # Nothing else is done until it turns up.
            for _ in range(10000):
                if exchange(what, target):
                    time.sleep(random.random() / 500)


main()
