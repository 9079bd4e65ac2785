/*
 *	What rlm_mfa.so exports: one symbol, the table of entry points that the
 *	server looks up by the module's name. Made by cbindgen; a test keeps it fresh.
 */

#ifndef RLM_MFA_H
#define RLM_MFA_H

#include <freeradius/radiusd.h>
#include <freeradius/modules.h>

/**
 * What the server looks up in `rlm_mfa.so`: the module's table of entry points (`module_t`).
 */
extern const module_t rlm_mfa;

#endif  /* RLM_MFA_H */
