/*
 *	Stands in for the header of this name where a distribution leaves it out (FreeRADIUS
 *	before 3.2.9 does not install it). The real one is found first where it exists. Declares only
 *	what the structures of radiusd.h need, and what we call.
 */
#pragma once

#include <sys/types.h>

typedef struct xlat_exp xlat_exp_t;
typedef struct rad_request REQUEST;
typedef size_t (*xlat_escape_t)(REQUEST *, char *out, size_t outlen, char const *in, void *arg);

ssize_t radius_xlat(char *out, size_t outlen, REQUEST *request, char const *fmt, xlat_escape_t escape,
		    void *escape_ctx);
