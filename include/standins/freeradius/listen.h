/*
 *	Stands in for the header of this name where a distribution leaves it out (FreeRADIUS
 *	before 3.2.9 does not install it). The real one is found first where it exists. Declares only
 *	what the structures of radiusd.h need.
 */
#pragma once

typedef struct rad_listen rad_listen_t;

typedef enum RAD_LISTEN_TYPE {
	RAD_LISTEN_NONE = 0,
	RAD_LISTEN_MAX = 16
} RAD_LISTEN_TYPE;
