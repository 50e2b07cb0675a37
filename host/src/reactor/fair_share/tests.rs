//! The shares of tenants that are alone, that contend, and that are slow.

use super::*;

fn at(milliseconds: u64) -> Moment {
    Moment::from_start(Duration::from_millis(milliseconds))
}

const MS: Duration = Duration::from_millis(1);
const US: Duration = Duration::from_micros(1);

#[test]
fn a_share_is_of_one_turn() {
    let mut fair_share = FairShare::new(2, MS);
    for _ in 0..3 {
        fair_share.charge(0, MS / 10, at(0));
    }
    assert!(
        fair_share.has_used_its_share(0)
            && !fair_share.has_used_its_share(1)
            && !fair_share.is_slow(0, at(0))
    );
    fair_share.begin_turn(at(1));
    assert!(!fair_share.has_used_its_share(0));
}

#[test]
fn those_that_contend_divide_a_turn() {
    for (hungry, may) in [(1, 250 * US), (2, 125 * US), (5, 50 * US), (50, LEAST_SHARE)] {
        let mut fair_share = FairShare::new(60, MS);
        (0..hungry).for_each(|tenant| fair_share.charge(tenant, may / 2, at(0)));
        fair_share.begin_turn(at(1));
        fair_share.charge(0, may, at(1));
        assert!(!fair_share.has_used_its_share(0), "{hungry}");
        fair_share.charge(0, US, at(1));
        assert!(fair_share.has_used_its_share(0), "{hungry}");
    }
}

/// However many tenants contend: after the target length of a turn only those with little recent use continue.
#[test]
fn who_has_had_little_is_served_in_a_turn_that_is_long() {
    for hungry in [2, 10, 50, 300] {
        let mut fair_share = FairShare::new(hungry + 1, MS);
        let light = hungry;
        let mut longest = Duration::ZERO;
        let (mut waiting, mut now) = ((0..hungry).collect::<Vec<_>>(), Moment::default());
        for turn in 0..2000 {
            fair_share.begin_turn(now);
            let mut worked = Duration::ZERO;
            let order = std::mem::take(&mut waiting);
            let mut served = Vec::new();
            for tenant in order {
                if fair_share.has_used_its_share(tenant) {
                    waiting.push(tenant);
                    continue;
                }
                fair_share.charge(tenant, 90 * US, now);
                (worked, now) = (worked + 90 * US, now + 90 * US);
                served.push(tenant);
            }
            waiting.extend(served);
            // At first no use is known.
            if 500 < turn {
                assert!(!fair_share.has_used_its_share(light), "{hungry} in turn {turn}");
                longest = longest.max(worked);
            }
            // Less than its part of the time, however many tenants there are.
            if turn % 10 == 0 {
                fair_share.charge(light, 2 * US, now);
            }
        }
        assert!(longest <= MS, "{hungry}: {longest:?}");
    }
}

#[test]
fn slow_is_whose_handlers_take_long_and_for_a_while() {
    let mut fair_share = FairShare::new(2, MS);
    fair_share.charge(0, MS / 4, at(5));
    assert!(!fair_share.is_slow(0, at(5)), "its thread may have waited for a core");
    assert_eq!(fair_share.measure(0), Measure::CpuTime);
    fair_share.charge(0, MS / 4, at(5));
    assert!(fair_share.is_slow(0, at(104)) && !fair_share.is_slow(0, at(105)));
    assert!(!fair_share.is_slow(1, at(5)));
    fair_share.used_in_the_lane(0, MS / 20, at(200));
    assert!(!fair_share.is_slow(0, at(200)));
    fair_share.used_in_the_lane(0, MS, at(200));
    assert!(fair_share.is_slow(0, at(200)));
}

#[test]
fn who_is_slow_again_is_slow_for_longer_and_not_for_ever() {
    let mut fair_share = FairShare::new(2, MS);
    let mut now = Moment::default();
    let mut first_slices = 0;
    let hour = Duration::from_secs(3600);
    while now.since(Moment::default()) < hour {
        if !fair_share.is_slow(0, now) {
            fair_share.handed_on(0, MS, now);
            first_slices += 1;
        }
        now = now + MS * 50;
    }
    assert!((300..400).contains(&first_slices), "{first_slices}");
    let later = now + SLOW_FOR_MAX * 3;
    fair_share.handed_on(0, MS, later);
    assert!(fair_share.is_slow(0, later + SLOW_FOR / 2), "the first time after long");
    assert!(!fair_share.is_slow(0, later + SLOW_FOR));
}

#[test]
fn where_many_have_outlived_their_slice_only_the_short_begin_in_the_loop() {
    let tenants = 1000;
    let mut fair_share = FairShare::new(tenants, MS);
    let known = tenants - 1;
    fair_share.charge(known, US, at(0));
    let begun = (0..known).filter(|&tenant| {
        let begins = !fair_share.is_slow(tenant, at(0));
        if begins {
            fair_share.handed_on(tenant, MS, at(0));
        }
        begins
    });
    assert!((100..=200).contains(&begun.count()));
    assert!(!fair_share.is_slow(known, at(0)));
    assert!(!fair_share.is_slow(known - 1, at(5_000)), "after a while all may");
}

#[test]
fn who_is_alone_is_never_in_the_way() {
    let mut fair_share = FairShare::new(1, MS);
    fair_share.charge(0, MS * 100, at(0));
    assert!(!fair_share.has_used_its_share(0) && !fair_share.is_slow(0, at(0)));
    assert_eq!(fair_share.measure(0), Measure::Nothing);
}

/// Each part of a turn is served, whatever parts a tenant has endless work in, whatever the cost of an item, and however many
/// others contend.
#[test]
fn no_part_of_a_turn_is_passed_over_for_ever() {
    let all = 1_u16 << TurnPart::ALL.len();
    // All sets of up to three parts, and every seventh of the others.
    let chosen = (1..all).filter(|parts| parts.count_ones() <= 3 || parts % 7 == 0);
    for (parts, others, cost) in chosen.flat_map(|parts| {
        [(1, 60), (1, 110), (1, 30), (12, 60)].map(|(others, cost)| (parts, others, cost))
    }) {
        let has = |part: TurnPart| parts & 1 << part as u16 != 0;
        let mut fair_share = FairShare::new(others + 1, MS);
        let cost = cost * MS / 4 / 100 / u32::try_from(others + 1).expect("a few");
        let (mut now, mut turns_without) = (Moment::default(), [0; TurnPart::ALL.len()]);
        for _ in 0..100 {
            now = now + MS;
            fair_share.begin_turn(now);
            turns_without.iter_mut().for_each(|turns| *turns += 1);
            for part in TurnPart::ALL {
                for tenant in 1..=others {
                    if part == TurnPart::Reads && !fair_share.passes_over(part, tenant) {
                        fair_share.charge_work(tenant, cost);
                    }
                }
                for _ in 0..9 {
                    if !has(part) || fair_share.passes_over(part, 0) {
                        break;
                    }
                    fair_share.charge_work(0, cost);
                    turns_without[part as usize] = 0;
                }
            }
            for part in TurnPart::ALL.into_iter().filter(|part| has(*part)) {
                let (turns, most) = (turns_without[part as usize], 2 * parts.count_ones() + 2);
                assert!(turns <= most, "{part:?} of {parts:b}, {others} others, {cost:?}");
            }
        }
    }
}
