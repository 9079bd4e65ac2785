/*
 *	Stands in for the header of this name where a distribution leaves it out (FreeRADIUS
 *	before 3.2.9 does not install it). The real one is found first where it exists. Declares only
 *	what the structures of radiusd.h need.
 */
#pragma once

typedef enum fr_state_action_t {
	FR_ACTION_RUN = 1
} fr_state_action_t;

typedef int (*RAD_REQUEST_FUNP)(struct rad_request *request);
typedef void (*fr_request_process_t)(struct rad_request *request, int action);
