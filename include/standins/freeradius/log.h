/*
 *	Stands in for the header of this name where a distribution leaves it out (FreeRADIUS
 *	before 3.2.9 does not install it). The real one is found first where it exists. Declares only
 *	what the structures of radiusd.h need.
 */
#pragma once

#include <stdarg.h>
#include <freeradius/libradius.h>
#include <freeradius/listen.h>

typedef struct rad_request REQUEST;

typedef enum log_type {
	L_AUTH = 2,
	L_INFO = 3,
	L_ERR = 4,
	L_WARN = 5,
	L_PROXY = 6,
	L_ACCT = 7,
	L_DBG = 16,
	L_DBG_WARN = 17,
	L_DBG_ERR = 18,
	L_DBG_WARN_REQ = 19,
	L_DBG_ERR_REQ = 20
} log_type_t;

typedef enum log_lvl {
	L_DBG_LVL_DISABLE = -1,
	L_DBG_LVL_OFF = 0,
	L_DBG_LVL_1 = 1,
	L_DBG_LVL_2,
	L_DBG_LVL_3,
	L_DBG_LVL_4,
	L_DBG_LVL_MAX
} log_lvl_t;

typedef void (*radlog_func_t)(log_type_t type, log_lvl_t lvl, REQUEST *request, char const *msg, va_list ap);

int	radlog(log_type_t type, char const *msg, ...);
void	radlog_request(log_type_t type, log_lvl_t lvl, REQUEST *request, char const *msg, ...);
