/*
 *	Stands in for the header of this name where a distribution leaves it out (FreeRADIUS
 *	before 3.2.9 does not install it). The real one is found first where it exists. Declares only
 *	what the structures of radiusd.h need.
 */
#pragma once

typedef struct fr_connection_pool_t fr_connection_pool_t;
