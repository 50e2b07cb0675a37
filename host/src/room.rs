//! Room for sandboxes: half of it is kept for the tenants, as much for each, and whoever comes first has the rest. So no
//! tenant, and no number of them together, leaves another without.

use crate::plugin::{Count, Permit};
use crate::tenant::Tenant;

/// The sandboxes that may be alive at once. Clones are the same.
#[derive(Debug, Clone)]
pub struct Room {
    /// All of them.
    pub max: u32,
    /// How many are kept for each tenant.
    kept: u32,
    /// Those that are kept for nobody, and how many of them are taken.
    common: u32,
    common_taken: Count,
}

/// What a tenant has of the room.
#[derive(Debug)]
pub struct Taken {
    all: Count,
    all_max: u32,
    kept: Count,
}

/// A place for one sandbox, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    _of_tenant: Permit,
    _of_host: Permit,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// The host has none left for this tenant.
    Host,
    /// The tenant has as many as it may.
    Tenant,
}

impl NoRoom {
    /// The bound that this is, as the log names it.
    pub fn limit(self) -> &'static str {
        match self {
            NoRoom::Host => "instances",
            NoRoom::Tenant => "tenant instances",
        }
    }
}

impl Room {
    /// Room for `max` sandboxes of so many tenants.
    pub fn new(max: u32, tenants: usize) -> Room {
        let tenants = u32::try_from(tenants).unwrap_or(u32::MAX).max(1);
        let kept = max / 2 / tenants;
        Room { max, kept, common: max - kept * tenants, common_taken: Count::default() }
    }

    /// Takes a place for a tenant.
    ///
    /// # Errors
    /// When there is none.
    pub fn take(&self, tenant: &Tenant) -> Result<Place, NoRoom> {
        self.take_for(&tenant.instances)
    }

    /// Whether there is a place for a tenant.
    ///
    /// # Errors
    /// When there is none.
    pub fn check(&self, tenant: &Tenant) -> Result<(), NoRoom> {
        let taken = &tenant.instances;
        if !taken.all.is_below(taken.all_max) {
            Err(NoRoom::Tenant)
        } else if taken.kept.is_below(self.kept) || self.common_taken.is_below(self.common) {
            Ok(())
        } else {
            Err(NoRoom::Host)
        }
    }

    fn take_for(&self, taken: &Taken) -> Result<Place, NoRoom> {
        let of_tenant = taken.all.take(taken.all_max).ok_or(NoRoom::Tenant)?;
        let of_host = taken.kept.take(self.kept).or_else(|| self.common_taken.take(self.common));
        Ok(Place { _of_tenant: of_tenant, _of_host: of_host.ok_or(NoRoom::Host)? })
    }
}

impl Taken {
    /// Nothing yet, and never more than this.
    pub fn new(max: Option<u32>) -> Taken {
        Taken { all: Count::default(), all_max: max.unwrap_or(u32::MAX), kept: Count::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(room: &Room, taken: &Taken, count: usize) -> Vec<Place> {
        let places: Vec<_> = (0..1000).map_while(|_| room.take_for(taken).ok()).collect();
        assert_eq!(places.len(), count);
        places
    }

    #[test]
    fn whoever_is_alone_has_all() {
        for max in 1..10 {
            take(&Room::new(max, 1), &Taken::new(None), max as usize);
        }
    }

    #[test]
    fn every_tenant_has_its_part_whatever_the_others_take() {
        let room = Room::new(100, 3);
        let tenants = [(); 3].map(|()| Taken::new(None));
        // 16 are kept for each; 52 are for whoever comes first.
        let _first = take(&room, &tenants[0], 68);
        let _second = take(&room, &tenants[1], 16);
        assert_eq!(room.take_for(&tenants[1]).unwrap_err(), NoRoom::Host);
        let third = take(&room, &tenants[2], 16);
        drop(third);
        take(&room, &tenants[2], 16);
    }

    #[test]
    fn what_is_given_back_is_there_again() {
        let room = Room::new(10, 2);
        let tenant = Taken::new(None);
        for _ in 0..3 {
            drop(take(&room, &tenant, 8));
        }
    }

    #[test]
    fn a_tenant_has_no_more_than_it_may() {
        let room = Room::new(100, 2);
        let tenant = Taken::new(Some(5));
        let _places = take(&room, &tenant, 5);
        assert_eq!(room.take_for(&tenant).unwrap_err(), NoRoom::Tenant);
        take(&room, &Taken::new(None), 75);
    }

    #[test]
    fn more_tenants_than_places_share_them_as_they_come() {
        let room = Room::new(4, 1000);
        take(&room, &Taken::new(None), 4);
    }
}
