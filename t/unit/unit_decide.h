
/*
 * What the tests of decisions share: rules from text, and verdicts as text.
 */


#ifndef RECS_UNIT_DECIDE_H
#define RECS_UNIT_DECIDE_H


#include "unit_page.h"


#define UNIT_RULES_MAX  4


/* A set: of each id asked "i" (in), "o" (out) or "?" (unknown). */

typedef struct {
    const char       *answers;      /* NULL: there is no such rule */
    unsigned          exclude:1;
    unsigned          drop_unknown:1;
} unit_set_t;

#define REQUIRE(answers)       { answers, 0, 0 }
#define REQUIRE_DROP(answers)  { answers, 0, 1 }
#define EXCLUDE(answers)       { answers, 1, 0 }
#define EXCLUDE_DROP(answers)  { answers, 1, 1 }


/* The policy's rules, in rule[UNIT_RULES_MAX]. */

static inline void
unit_rules(unit_arena_t *arena, const unit_set_t *sets, recs_policy_t *policy,
    recs_rule_t *rule)
{
    size_t    i, n, len;
    uint8_t  *answers;

    policy->rules = rule;
    policy->nrules = 0;

    for (n = 0; n < UNIT_RULES_MAX && sets[n].answers; n++) {
        len = strlen(sets[n].answers);
        answers = recs_alloc(&arena->mem, len);

        for (i = 0; i < len; i++) {
            answers[i] = sets[n].answers[i] == 'i' ? RECS_IN
                         : sets[n].answers[i] == 'o' ? RECS_OUT
                         : RECS_UNKNOWN;
        }

        rule[n].answers = answers;
        rule[n].exclude = sets[n].exclude;
        rule[n].drop_unknown = sets[n].drop_unknown;
        policy->nrules++;
    }
}


/*
 * Fates: of each item "k" (kept), the rule that refused it ("0", "1", ...), "r"
 * (repeated), "c" (cut), "d" (displaced) or "u" (unidentified).  Fails if they
 * are not the expected ones (NULL: any), or if a count disagrees with them.
 */

static inline void
unit_check_fates(const recs_page_t *page, const recs_policy_t *policy,
    const recs_decision_t *d, const char *expected)
{
    size_t                 i, k, of[RECS_UNIDENTIFIED + 1], by[UNIT_RULES_MAX];
    char                   fate[2];
    recs_str_t             str;
    unit_text_t            text;
    const recs_verdict_t  *verdict;

    memset(of, 0, sizeof(of));
    memset(by, 0, sizeof(by));
    text.len = 0;
    fate[1] = '\0';

    for (i = 0; i < page->nitems; i++) {
        verdict = &d->verdicts[i];

        assert_true(verdict->fate <= RECS_UNIDENTIFIED);
        of[verdict->fate]++;
        fate[0] = "k-rcdu"[verdict->fate];

        if (verdict->fate == RECS_REFUSED) {
            assert_true(verdict->rule < policy->nrules);
            by[verdict->rule]++;
            fate[0] = (char) ('0' + verdict->rule);
        }

        unit_add_cstr(&text, fate);
    }

    if (expected) {
        str = unit_text_str(&text);
        unit_assert_cstr(&str, expected);
    }

    assert_int_equal(d->total, page->nitems);
    assert_int_equal(d->kept, of[RECS_KEPT]);
    assert_int_equal(d->removed, of[RECS_REFUSED] + of[RECS_REPEATED]
                                 + of[RECS_UNIDENTIFIED]);
    assert_int_equal(d->repeated, of[RECS_REPEATED]);
    assert_int_equal(d->cut, of[RECS_CUT] + of[RECS_DISPLACED]);
    assert_int_equal(d->total, d->kept + d->removed + d->cut);

    for (k = 0; k < policy->nrules; k++) {
        assert_int_equal(d->removed_by[k], by[k]);
    }
}


#endif /* RECS_UNIT_DECIDE_H */
