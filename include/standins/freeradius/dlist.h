/*
 *	Stands in for the header of this name, which radiusd.h includes from 3.2.9 on and no distribution
 *	installs. The real one is found first where it exists. Declares only what the structures of
 *	radiusd.h need.
 */
#pragma once

typedef struct fr_dlist_s fr_dlist_t;

struct fr_dlist_s {
	fr_dlist_t	*prev;
	fr_dlist_t	*next;
};
