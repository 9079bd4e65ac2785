# Sourced by tests/make/demo and tests/make/run: a copy of the stock server's configuration with the module installed beside
# it, in a folder of its own. The machine's own configuration is only read.

server=/usr/sbin/freeradius
[ -x $server ] || server=/usr/sbin/radiusd
[ -x $server ] || { echo "FreeRADIUS is not installed: run \`make deps\`" >&2; exit 1; }
stock=$(tests/make/where raddb)
[ -r "$stock/mods-available/eap" ] || {
	echo "$stock may be read by root and the server's user alone: run this as root" >&2
	exit 1
}

phone= slapd=
work=$(mktemp -d "${TMPDIR:-/tmp}/rlm_mfa.XXXXXX")
raddb=$work$stock
libdir=$(tests/make/where libdir)
pid=
PATH=$work/usr/local/bin:$PATH

# Ends the server that was started here, and removes what was made.
clean_up() {
	stop
	[ -z "$phone$slapd" ] || kill $phone $slapd 2>/dev/null || true
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

stop() {
	if [ -n "$pid" ]; then
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
		pid=
	fi
}

# A UDP port of 127.0.0.1 that is not in use, like the eleven after it.
free_port() {
	local port used
	used=$(ss -Huln 2>/dev/null || cat /proc/net/udp)
	while :; do
		port=$((20000 + RANDOM % 20000))
		if ! grep -qE ":($(seq -s '|' "$port" $((port + 11))))\b" <<<"$used"; then
			echo $port
			return
		fi
	done
}

# Moves the stock sites to five ports of 127.0.0.1, from $1 on. Nothing else of them is changed.
move_stock_sites() {
	local site port=$1
	for site in default inner-tunnel; do
		awk -v port="$port" '
			/^[ \t]*port[ \t]*=/ { sub(/=.*/, "= " port++) }
			/^[ \t]*(ipaddr|ipv6addr)[ \t]*=/ { print "\tipaddr = 127.0.0.1"; next }
			{ print }' "$stock/sites-available/$site" >"$work/site"
		rm -f "$raddb/sites-enabled/$site"
		cat "$work/site" >"$raddb/sites-enabled/$site"
		port=$((port + $(grep -cE '^[[:space:]]*port[[:space:]]*=' "$work/site")))
	done
}

# Installs the built module into a copy of the stock server, which then runs from $work and nowhere else. Its own sites stay, at the
# ports from $1 on.
install_beside_stock() {
	mkdir -p "$raddb" "$work/var/log" "$work/var/run"
	[ "$(id -u)" != 0 ] || chmod 755 "$work"
	cp -a "$stock/." "$raddb/"
	move_stock_sites "$1"
	DESTDIR=$work PREFIX=/usr/local LIBDIR=$libdir RADDB=$stock BUILT=${BUILT:-target/release} tests/make/install
	ln -s "$libdir"/*.so "$work$libdir/" 2>/dev/null || true
	sed -i -E "s|^localstatedir = .*|localstatedir = $work/var|; s|^raddbdir = .*|raddbdir = $raddb|
		s|^libdir = .*|libdir = $work$libdir|; s|^logdir = .*|logdir = $work/var/log|
		s|^run_dir = .*|run_dir = $work/var/run|" "$raddb/radiusd.conf"
	sed -i -E "s,^#(\t*(filename|key_file) = )/var/lib,\1$work/var/lib," "$raddb/mods-available/mfa"
	[ "$(grep -c "= $work/var/lib" "$raddb/mods-available/mfa")" = 2 ] || { echo "the store would be the machine's own" >&2; exit 1; }
	if [ "$(id -u)" = 0 ]; then
		mkdir -p "$work/var/lib"
		chown -R --reference="$stock/radiusd.conf" "$work/var"
	fi
	ln -s ../mods-available/mfa "$raddb/mods-enabled/mfa"
}

# Starts the example of doc/webhook.md, which stands for the users' phones, and makes it the provider of pushes. Its address is
# left in $hook, its process in $phone.
install_phone() {
	local key
	key=$(openssl rand -hex 32)
	: >"$work/phone"
	MFA_WEBHOOK_KEY=$key python3 -B tests/gear/webhook.py --hold 20 >"$work/phone" &
	phone=$!
	for _ in {1..100}; do
		hook=$(sed -nE 's/.*"port": ([0-9]+).*/http:\/\/127.0.0.1:\1/p' "$work/phone")
		[ -z "$hook" ] || break
		sleep 0.05
	done
	sed -i -E "s,^#(\t*)provider = none,\1provider = webhook,; s,^#(\t*)start_url = .*,\1start_url = \"$hook/ask\",
		s,^#(\t*)hmac_key = .*,\1hmac_key = \"$key\"," "$raddb/mods-available/mfa"
	[ "$(grep -cE '^	+(provider|start_url|hmac_key) = ' "$raddb/mods-available/mfa")" = 3 ] || { echo "push { } is not as expected" >&2; exit 1; }
}

# The certificate of 127.0.0.1, and its key, as server.pem and server.key of the folder $1.
make_certificate() {
	mkdir "$1"
	printf '%s\n' '[req]' 'distinguished_name = name' '[name]' '[here]' 'subjectAltName = IP:127.0.0.1' >"$1/openssl"
	openssl req -x509 -config "$1/openssl" -extensions here -days 1 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
		-subj /CN=127.0.0.1 -keyout "$1/server.key" -out "$1/server.pem" 2>/dev/null
}

# Starts OpenLDAP with Erin (of the group vpn) and Frank (of none), whose passwords are NAME-secret. It speaks TLS, at the port
# $ldaps.
install_directory() {
	local place=$work/ldap
	[ -x /usr/sbin/slapd ] || { echo "slapd is not installed: run \`make deps\`" >&2; exit 1; }
	make_certificate "$place"
	mkdir "$place/db"
	cat >"$place/slapd.conf" <<-CONF
		include /etc/ldap/schema/core.schema
		include /etc/ldap/schema/cosine.schema
		include /etc/ldap/schema/inetorgperson.schema
		modulepath /usr/lib/ldap
		moduleload back_mdb
		pidfile $place/pid
		TLSCACertificateFile $place/server.pem
		TLSCertificateFile $place/server.pem
		TLSCertificateKeyFile $place/server.key
		security simple_bind=128
		database mdb
		suffix "dc=example,dc=test"
		directory $place/db
		access to attrs=userPassword by anonymous auth by * none
		access to * by users read by anonymous auth
	CONF
	{
		printf 'dn: dc=example,dc=test\nobjectClass: domain\ndc: example\n\n'
		for name in erin frank radius; do
			printf 'dn: uid=%s,dc=example,dc=test\nobjectClass: inetOrgPerson\nuid: %s\ncn: %s\nsn: %s\nmail: %s@example.test\nuserPassword: %s-secret\n\n' \
				$name $name $name $name $name $name
		done
		printf 'dn: cn=vpn,dc=example,dc=test\nobjectClass: groupOfNames\ncn: vpn\nmember: uid=erin,dc=example,dc=test\n'
	} | /usr/sbin/slapadd -q -f "$place/slapd.conf"
	for _ in {1..20}; do
		ldaps=$((20000 + RANDOM % 20000))
		/usr/sbin/slapd -f "$place/slapd.conf" -d 0 -h "ldaps://127.0.0.1:$ldaps" 2>"$place/log" &
		slapd=$!
		# It writes that once it listens; if the port is somebody's, it ends.
		for _ in {1..100}; do
			[ ! -s "$place/pid" ] || return 0
			kill -0 $slapd 2>/dev/null || break
			sleep 0.05
		done
	done
	echo "slapd does not start:" >&2
	cat "$place/log" >&2
	exit 1
}

# Starts a mail server whose mails are read in $work/mail/mail, and makes it the relay. It ends with this shell.
install_relay() {
	local port
	make_certificate "$work/mail"
	# The distribution's own, which has its packages.
	coproc relay { exec /usr/bin/python3 -B tests/gear/smtp.py "$work/mail" 2>"$work/mail/log"; }
	read -r port <&"${relay[0]}" || { echo "the mail server does not start: run \`make deps\`" >&2; exit 1; }
	port=$(sed -nE 's/.*"starttls": ([0-9]+).*/\1/p' <<<"$port")
	sed -i -E "/^	email \{/,/^	\}/ {
		s,^#(	*)from = .*,\1from = \"VPN <vpn@example.test>\",
		s,^#(	*)host = .*,\1host = 127.0.0.1,; s,^#(	*)port = .*,\1port = $port,
		s,^#(	*)username = .*,\1username = radius,; s,^#(	*)password = .*,\1password = mailpw,
		s,^#(	*)ca_file = .*,\1ca_file = $work/mail/server.pem,
	}" "$raddb/mods-available/mfa"
	[ "$(sed -n '/^	email {/,/^	}/p' "$raddb/mods-available/mfa" | grep -cE '^	+(from|host|port|username|password|ca_file) = ')" = 6 ] ||
		{ echo "email { } is not as expected" >&2; exit 1; }
}

# The newest mail, as its reader sees it, for which ten seconds are given; it is then put away.
newest_mail() {
	local mail
	for _ in {1..100}; do
		mail=$(find "$work/mail/mail" -name '[0-9]*' | sort -n | tail -n 1)
		[ -z "$mail" ] || break
		sleep 0.1
	done
	/usr/bin/python3 - "$mail" <<-'READ'
		import email, json, sys
		mail = email.message_from_string(json.load(open(sys.argv[1]))["data"])
		print(*(f"{name}: {mail[name]}" for name in ("From", "To", "Subject")), "", sep="\n")
		print(mail.get_payload(decode=True).decode().replace("\r", "").strip())
	READ
	rm "$mail"
}

# Enables the shipped site on that port, for PAP, CHAP, MS-CHAP and in the tunnels of EAP.
enable_site() {
	sed -i "s/port = 11812/port = $1/" "$raddb/sites-available/mfa"
	ln -s ../sites-available/mfa "$raddb/sites-enabled/mfa"
	sed -i 's/virtual_server = "inner-tunnel"/virtual_server = "mfa-inner-tunnel"/
		/^\tgtc {/,/^\t}/s/auth_type = PAP/auth_type = mfa/' "$raddb/mods-available/eap"
}

# Starts the server in the background and waits for it.
start() {
	$server -f -d "$raddb" -l "$work/var/log/radius.log" &
	pid=$!
	for _ in {1..200}; do
		if [[ $(tail -n 3 "$work/var/log/radius.log" 2>/dev/null) == *'Ready to process requests'* ]]; then return; fi
		kill -0 $pid 2>/dev/null || break
		sleep 0.05
	done
	echo "the server does not start:" >&2
	cat "$work/var/log/radius.log" >&2
	exit 1
}
