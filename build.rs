//! Makes the bindings to FreeRADIUS from its installed headers. Without the feature `server` there is nothing to do.
//!
//! `FREERADIUS_INCLUDE` names the folder that holds `freeradius/radiusd.h`, `FREERADIUS_LIBDIR` that of
//! `libfreeradius-server.so` (tests only); both are found where Debian and `make install` put them.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "server")]
    server::bind();
}

#[cfg(feature = "server")]
mod server {
    use std::path::{Path, PathBuf};

    pub fn bind() {
        for name in ["FREERADIUS_INCLUDE", "FREERADIUS_LIBDIR"] {
            println!("cargo::rerun-if-env-changed={name}");
        }
        println!("cargo::rerun-if-changed=include");
        let Some(include) =
            find("FREERADIUS_INCLUDE", "freeradius/radiusd.h", &["/usr/include", "/usr/local/include"])
        else {
            return fail(
                "FreeRADIUS headers not found: install libfreeradius-dev (Debian) or freeradius-devel (RHEL), or set FREERADIUS_INCLUDE to the folder above freeradius/radiusd.h",
            );
        };
        let version = version(&include).unwrap_or_default();
        if !is_supported(&version) {
            return fail(&format!(
                "FreeRADIUS {version:?} in {} is not supported: rlm_mfa is made for 3.0.20 and later, and for 3.2.x",
                include.display()
            ));
        }
        println!("cargo::rustc-env=FREERADIUS_VERSION={version}");
        println!("cargo::rerun-if-changed={}", include.join("freeradius").display());
        // Once loaded it stays: a thread that waits for a slow disk may outlive the server's interest in the module.
        println!("cargo::rustc-link-arg-cdylib=-Wl,-z,nodelete");
        bindings(&include);
        link_tests();
    }

    /// The first of `folders` that holds `file`, unless the environment names another one.
    fn find(variable: &str, file: &str, folders: &[&str]) -> Option<PathBuf> {
        let named = std::env::var_os(variable).map(PathBuf::from);
        let mut folders = named
            .map_or_else(|| folders.iter().map(PathBuf::from).collect(), |folder| vec![folder])
            .into_iter();
        folders.find(|folder| folder.join(file).exists())
    }

    /// RADIUSD_VERSION_STRING of the headers.
    fn version(include: &Path) -> Option<String> {
        ["freeradius/features.h", "freeradius/autoconf.h"].iter().find_map(|file| {
            let text = std::fs::read_to_string(include.join(file)).ok()?;
            let line = text.lines().find(|line| line.starts_with("#define RADIUSD_VERSION_STRING"))?;
            Some(line.split('"').nth(1)?.to_owned())
        })
    }

    /// 3.0 from 3.0.20 on, and all of 3.2.
    fn is_supported(version: &str) -> bool {
        let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
        match (numbers.next().flatten(), numbers.next().flatten(), numbers.next().flatten()) {
            (Some(3), Some(0), Some(patch)) => patch >= 20,
            (Some(3), Some(2), Some(_)) => true,
            _ => false,
        }
    }

    /// What not all versions have, by what the headers say: the operator `^=` came with 3.0.22.
    fn declare_features(bindings: &str) {
        println!("cargo::rustc-check-cfg=cfg(has_op_prepend)");
        if bindings.contains("pub const T_OP_PREPEND:") {
            println!("cargo::rustc-cfg=has_op_prepend");
        }
    }

    fn bindings(include: &Path) {
        let bindings = bindgen::Builder::default()
            .header("include/wrapper.h")
            .clang_arg(format!("-I{}", include.display()))
            // Behind the system's own, so that real headers win over our stand-ins.
            .clang_args(["-idirafter", "include/standins"])
            .allowlist_type("rad_request|radius_packet|value_pair|module_t|dict_attr|attr_flags")
            .allowlist_type(
                "home_server|home_pool_t|home_state_t|home_type_t|home_pool_type_t|rad_master_state",
            )
            .allowlist_type("rlm_rcodes|rlm_components|log_type|log_lvl|PW_TYPE|FR_TOKEN")
            .allowlist_function("radlog|radlog_request|module_failure_msg|fr_strerror|radius_xlat")
            .allowlist_function("home_server_afrom_cs|realm_home_server_add|realm_pool_add|home_pool_byname")
            .allowlist_function("request_alloc|rad_alloc|request_data_add|request_data_reference")
            .allowlist_function(
                "fr_pair_(afrom_da|add|delete_by_num|list_free|value_bstrncpy|value_memcpy|value_from_str)",
            )
            .allowlist_function(
                "rad_(vp2attr|attr2vp)|dict_(addattr|addvalue|attrbyname|attrbyvalue|valbyname|init|free)",
            )
            .allowlist_function(
                "cf_top_section|cf_section_(name1|name2|filename|lineno|alloc|add)|cf_pair_(alloc|add)",
            )
            .allowlist_function(
                "cf_pair_(attr|value|operator|filename|lineno|to_item)|cf_item_(find_next|is_.*|to_.*|add)",
            )
            .allowlist_function("_talloc_free|_talloc_set_destructor|talloc_get_size|talloc_named_const")
            .allowlist_var("RLM_MFA_MAGIC|check_config")
            .default_enum_style(bindgen::EnumVariation::Consts)
            .prepend_enum_name(false)
            .generate_comments(false)
            .layout_tests(true)
            .generate();
        let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("bindings.rs");
        match bindings {
            Ok(bindings) => {
                declare_features(&bindings.to_string());
                bindings.write_to_file(&out).unwrap_or_else(|e| fail(&format!("{}: {e}", out.display())));
            }
            Err(error) => fail(&format!("FreeRADIUS headers in {}: {error}", include.display())),
        }
    }

    /// Where `tests/ffi.rs` finds the server's own libraries, which need some of its symbols in turn. A module finds all of them
    /// in the server that loads it.
    fn link_tests() {
        let folders = ["/usr/lib/freeradius", "/usr/lib64/freeradius", "/usr/local/lib"];
        let Some(libraries) = find("FREERADIUS_LIBDIR", "libfreeradius-server.so", &folders) else { return };
        let libraries = libraries.display();
        println!("cargo::rustc-link-search=native={libraries}");
        println!("cargo::rustc-link-arg-tests=-Wl,-rpath,{libraries}");
    }

    fn fail(message: &str) {
        println!("cargo::error={message}");
    }
}
