/*
 *	What bindgen reads. The two configuration headers come first, as in the server's own build,
 *	because their macros change the layout of REQUEST.
 */
#include <freeradius/autoconf.h>
#include <freeradius/build.h>
#if defined(WITH_NDEBUG) && !defined(NDEBUG)
#  define NDEBUG
#endif

/*
 *	The PCRE members of regex.h are of no interest, and its header need not be installed.
 */
#undef HAVE_PCRE
#undef HAVE_REGEX

/*
 *	Headers of a system whose C library lacks closefrom() declare it, which clashes where the
 *	library has it.
 */
#include <unistd.h>
#define closefrom rlm_mfa_closefrom

#include <freeradius/radiusd.h>
#include <freeradius/modules.h>

/*
 *	A macro that bindgen cannot evaluate.
 */
static uint64_t const RLM_MFA_MAGIC = RADIUSD_MAGIC_NUMBER;
