//! What an administrator would write: the configuration of one test.

use super::server::Server;
use super::stock::Stock;
use super::{SECRET, eapol, process};
use std::path::Path;

/// A configuration, from which a raddb folder is written. Each text is what stands between the braces of its section.
#[derive(Clone, Debug)]
pub struct Site {
    /// Options of `mfa { }`, without `store { }`.
    pub mfa: String,
    /// More modules beside the server's usual ones; `{store}` is the folder of the store.
    pub modules: String,
    /// `authorize { }`.
    pub authorize: String,
    /// `authenticate { }`.
    pub authenticate: String,
    /// `post-auth { }`.
    pub post_auth: String,
    /// More sections of the virtual server.
    pub sections: String,
    /// Whether it listens at 127.0.0.9 as well, as the server that clients fail over to.
    pub fails_over: bool,
    /// Whether all of it is an inner tunnel, behind `eap` in an outer server.
    pub tunnel: bool,
    /// How the tunnel's `authenticate { }` calls `eap`.
    pub inner_eap: &'static str,
    /// `gtc { auth_type }`.
    pub gtc: &'static str,
    /// More of `ttls { }` and `peap { }`.
    pub tunnels: &'static str,
    /// `authorize { }` of the server around the tunnel.
    pub outer_authorize: String,
    /// `authenticate { }` of the server around the tunnel.
    pub outer_authenticate: String,
    /// `post-auth { }` of the server around the tunnel.
    pub outer_post_auth: String,
    /// `cache { }` of EAP's TLS sessions.
    pub resume: bool,
    /// More of `radiusd.conf`; `{port}` is where the server listens.
    pub root: String,
    /// `proxy_requests`.
    pub proxies: bool,
    /// `max_request_time`, in seconds.
    pub max_request_time: u32,
    /// `max_requests`.
    pub max_requests: u32,
    /// `cleanup_delay`, in seconds.
    pub cleanup_delay: u32,
    /// `reject_delay`, in seconds.
    pub reject_delay: f32,
    /// Arguments of the server, such as `-Xxx`.
    pub arguments: Vec<&'static str>,
    /// Whether the stock sites run beside it.
    pub stock: bool,
}

/// The password that the server's own modules know of everybody.
pub const PASSWORD: &str = "hello";

/// What the package installs, so that every server of every test has read it.
const SHIPPED_POLICY: &str = include_str!("../../raddb/policy.d/mfa");

const MODULES: &str = "
always ok {
	rcode = ok
}
always noop {
	rcode = noop
}
pap {
}
chap {
}
mschap {
	use_mppe = yes
}
";

impl Site {
    /// The password field is the passcode; PAP, CHAP and MS-CHAP.
    pub fn passcode() -> Self {
        Self {
            mfa: "mode = passcode".into(),
            modules: String::new(),
            authorize: "chap\nmschap\nmfa".into(),
            authenticate: "Auth-Type mfa {\nmfa\n}\nAuth-Type CHAP {\nmfa\nchap\n}\n\
                           Auth-Type MS-CHAP {\nmfa\nmschap\n}"
                .into(),
            post_auth: "mfa".into(),
            sections: String::new(),
            fails_over: false,
            tunnel: false,
            inner_eap: "eap",
            gtc: "mfa",
            tunnels: "",
            outer_authorize: "eap".into(),
            outer_authenticate: "eap".into(),
            outer_post_auth: "mfa".into(),
            resume: false,
            root: String::new(),
            proxies: true,
            max_request_time: 30,
            max_requests: 16384,
            cleanup_delay: 5,
            reject_delay: 0.0,
            arguments: Vec::new(),
            stock: true,
        }
    }

    /// Password and passcode in one field; `pap` knows that everybody's password is [`PASSWORD`].
    pub fn append() -> Self {
        Self {
            mfa: "mode = append".into(),
            authorize: format!("update control {{\nCleartext-Password := \"{PASSWORD}\"\n}}\nmfa\npap"),
            authenticate: "Auth-Type PAP {\npap\nmfa\n}".into(),
            ..Self::passcode()
        }
    }

    /// `pap` knows [`PASSWORD`] as every user's password; then the user gets a push. `push` is the contents of `push
    /// { }`.
    pub fn auto(push: &str) -> Self {
        let site = Self::append();
        Self {
            mfa: format!("mode = auto\ndelimiter = \",\"\npush {{\n{push}\n}}"),
            // The answer to a challenge is ours.
            authenticate: format!("{}\nAuth-Type mfa {{\nmfa\n}}", site.authenticate),
            ..site
        }
    }

    /// The module itself has passwords checked; `mfa` is what stands in `mfa { }`, but for the mode.
    pub fn own(mode: &str, mfa: &str) -> Self {
        Self {
            mfa: format!("mode = {mode}\n{mfa}"),
            authorize: "mfa".into(),
            authenticate: "Auth-Type mfa {\nmfa\n}".into(),
            ..Self::passcode()
        }
    }

    /// `pap` accepts the passcode itself as anybody's password, so that only what `mfa` says behind it decides.
    pub fn behind_pap() -> Self {
        Self {
            authorize: "update control {\nCleartext-Password := \"%{User-Password}\"\n}\nmfa\n\
                        update control {\nAuth-Type := PAP\n}"
                .into(),
            authenticate: "Auth-Type PAP {\npap\nmfa\n}".into(),
            ..Self::passcode()
        }
    }

    /// The same inside EAP-TTLS and PEAP.
    pub fn in_tunnel(mut self) -> Self {
        self.tunnel = true;
        self
    }

    /// With this at the head of `authorize { }`.
    pub fn first(mut self, unlang: &str) -> Self {
        self.authorize = format!("{unlang}\n{}", self.authorize);
        self
    }

    /// With this behind `mfa` in `post-auth { }`.
    pub fn last(mut self, unlang: &str) -> Self {
        self.post_auth = format!("{}\n{unlang}", self.post_auth);
        self
    }

    /// With these options of the module as well.
    pub fn with(mut self, options: &str) -> Self {
        self.mfa = format!("{}\n{options}", self.mfa);
        self
    }

    /// Starts it with a new store.
    pub fn start(self) -> Server {
        Server::start(self)
    }

    /// Writes the raddb folder. `store` is where database and key are, or will be.
    pub fn write(&self, folder: &Path, port: u16, store: &Path) {
        let put = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        std::fs::create_dir_all(folder.join("tlscache")).unwrap();
        let library = folder.join("lib");
        std::fs::create_dir_all(&library).unwrap();
        if !library.join("rlm_mfa.so").exists() {
            std::os::unix::fs::symlink(process::module(), library.join("rlm_mfa.so")).unwrap();
        }
        put("dictionary", String::new());
        let module = self.module_text(store);
        let rest = format!(
            "{MODULES}\n{}\n{}",
            self.modules.replace("{store}", &store.display().to_string()),
            self.eap()
        );
        let stock = Stock::beside(&format!("{module}{rest}"), folder).filter(|_| self.stock);
        let of_stock = |part: fn(&Stock) -> &String| stock.as_ref().map(part).cloned().unwrap_or_default();
        put("mods-enabled/mfa", module);
        put("mods-enabled/rest", rest);
        put("sites-enabled/stock", of_stock(|stock| &stock.sites));
        put("policy.d/mfa", SHIPPED_POLICY.into());
        put("sites-enabled/default", self.servers(port));
        put(
            "radiusd.conf",
            format!(
                "prefix = /usr\nraddbdir = {folder}\nlibdir = {library}:{modules}\nlogdir = {folder}\n\
                 run_dir = {folder}\nmax_request_time = {time}\ncleanup_delay = {cleanup}\nmax_requests = {most}\n\
                 hostname_lookups = no\nproxy_requests = {proxy}\n\
                 log {{\n\tdestination = files\n\tfile = {folder}/radius.log\n}}\n\
                 security {{\n\tmax_attributes = 400\n\treject_delay = {delay}\n\tstatus_server = yes\n}}\n\
                 thread pool {{\n\tstart_servers = 5\n\tmax_servers = 32\n\tmin_spare_servers = 3\n\
                 \tmax_spare_servers = 10\n\tmax_requests_per_server = 0\n}}\n\
                 client localhost {{\n\tipaddr = 127.0.0.1\n\tsecret = {SECRET}\n}}\n\
                 modules {{\n\t$INCLUDE mods-enabled/\n{stock_modules}}}\npolicy {{\n\t$INCLUDE policy.d/\n{policies}}}\n\
                 $INCLUDE sites-enabled/\n{root}\n",
                stock_modules = of_stock(|stock| &stock.modules),
                policies = of_stock(|stock| &stock.policies),
                proxy = if self.proxies { "yes" } else { "no" },
                time = self.max_request_time,
                most = self.max_requests,
                cleanup = self.cleanup_delay,
                root = self.root.replace("{port}", &port.to_string()),
                folder = folder.display(),
                library = library.display(),
                modules = process::module_folder().display(),
                delay = self.reject_delay,
            ),
        );
    }

    /// `mods-enabled/mfa`.
    pub fn module_text(&self, store: &Path) -> String {
        format!(
            "mfa {{\n{}\nstore {{\n\tfilename = {store}/mfa.db\n\tkey_file = {store}/mfa.key\n}}\n}}\n",
            self.mfa,
            store = store.display()
        )
    }

    fn eap(&self) -> String {
        if !self.tunnel {
            return String::new();
        }
        let certificate = eapol::certificate().display();
        let (gtc, tunnels) = (self.gtc, self.tunnels);
        // The server insists on a section that answers MS-CHAP before it offers it.
        let has_ms_chap = self.authenticate.contains("Auth-Type MS-CHAP");
        let inner = if has_ms_chap { "default_eap_type = mschapv2" } else { "" };
        let peap = if has_ms_chap {
            format!(
                "peap {{\n\ttls = tls-common\n\tdefault_eap_type = mschapv2\n\tvirtual_server = inner\n{tunnels}\n}}\n\
                 mschapv2 {{\n}}\ngtc {{\n\tauth_type = {gtc}\n}}\n"
            )
        } else {
            String::new()
        };
        let cache = if self.resume { "yes" } else { "no" };
        format!(
            "eap {{\n\tdefault_eap_type = ttls\n\ttls-config tls-common {{\n\
             \t\tprivate_key_file = {certificate}/server.key\n\t\tcertificate_file = {certificate}/server.pem\n\
             \t\tca_file = {certificate}/server.pem\n\t\ttls_min_version = \"1.2\"\n\t\ttls_max_version = \"1.2\"\n\
             \t\tcache {{\n\t\t\tenable = {cache}\n\t\t\tlifetime = 1\n\t\t\tname = tests\n\t\t\tpersist_dir = ${{logdir}}/tlscache\n\t\t}}\n\t}}\n\
             \tttls {{\n\t\ttls = tls-common\n\t\tvirtual_server = inner\n{tunnels}\n{inner}\n\t}}\n\
             {peap}\n}}\n"
        )
    }

    fn servers(&self, port: u16) -> String {
        let second = format!("listen {{\n\ttype = auth\n\tipaddr = 127.0.0.9\n\tport = {port}\n}}\n");
        let second = if self.fails_over { second } else { String::new() };
        let listen = format!(
            "{second}listen {{\n\ttype = auth\n\tipaddr = 127.0.0.1\n\tport = {port}\n}}\n\
             listen {{\n\ttype = acct\n\tipaddr = 127.0.0.1\n\tport = {}\n}}\n",
            port + 1
        );
        let Self { authorize, post_auth, sections, .. } = self;
        let authenticate = twice(&self.authenticate);
        if !self.tunnel {
            return format!(
                "server default {{\n{listen}\nauthorize {{\n{authorize}\n}}\nauthenticate {{\n{authenticate}\n}}\n\
                 post-auth {{\n{post_auth}\n}}\n{sections}\n}}\n"
            );
        }
        format!(
            "server default {{\n{listen}\nauthorize {{\n{before}\n}}\nauthenticate {{\n{ask}\n}}\n\
             post-auth {{\n{outer}\n}}\n{sections}\n}}\n\
             server inner {{\nauthorize {{\neap {{\nok = return\n}}\n{authorize}\n}}\n\
             authenticate {{\n{eap}\n{authenticate}\n}}\npost-auth {{\n{post_auth}\n}}\n}}\n",
            eap = self.inner_eap,
            before = self.outer_authorize,
            ask = twice(&self.outer_authenticate),
            outer = self.outer_post_auth
        )
    }
}

/// With each section for MS-CHAP once more under the name that `mschap` takes beside the stock sites.
fn twice(authenticate: &str) -> String {
    const HEAD: &str = "Auth-Type MS-CHAP {";
    let Some((before, rest)) = authenticate.split_once(HEAD) else { return authenticate.to_owned() };
    let mut depth = 1;
    let end = rest.find(|c| {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        depth == 0
    });
    let (section, behind) = rest.split_at(end.expect("a closing brace") + 1);
    format!("{before}{HEAD}{section}\nAuth-Type mschap {{{section}{behind}")
}
