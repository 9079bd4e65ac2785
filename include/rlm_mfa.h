/* Made by cbindgen from src/lib.rs; make it anew with `MFA_WRITE_HEADER=1 cargo test --test header`. */

#ifndef RLM_MFA_H
#define RLM_MFA_H

#include <freeradius/radiusd.h>
#include <freeradius/modules.h>

// What the server looks up in `rlm_mfa.so`: the module's table of entry points (`module_t`).
extern const module_t rlm_mfa;

#endif  /* RLM_MFA_H */
