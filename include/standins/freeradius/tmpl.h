/*
 *	Stands in for the header of this name where a distribution leaves it out (FreeRADIUS
 *	before 3.2.9 does not install it). The real one is found first where it exists. Declares only
 *	what the structures of radiusd.h need.
 */
#pragma once

typedef struct vp_tmpl_t vp_tmpl_t;
typedef enum pair_lists { PAIR_LIST_UNKNOWN = 0 } pair_lists_t;
typedef enum request_refs { REQUEST_UNKNOWN = 0 } request_refs_t;
typedef struct pair_list PAIR_LIST;
