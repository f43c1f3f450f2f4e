//! A delivery that is ended before and after every request that it makes, to whomever: what is there is found
//! again, and afterwards there is one app with one machine that runs the right commit.
//!
//! Dropping a future ends it as `kill -9` ends a process: nothing of it runs any more, and nothing is put away.

use crate::server::Moment;
use crate::world::World;

/// More requests than any delivery makes.
const MANY: usize = 200;

/// Ends a delivery at each of its requests, in a world of its own each time.
async fn end_everywhere(moment: Moment, is_update: bool, is_alone: bool) {
    let mut ends = 0;
    for at in 0..MANY {
        let mut world = World::new(is_alone).await;
        if is_update {
            world.deliver().await.unwrap();
            world.change();
        }
        let is_ended = world.deliver_and_end(at, moment).await;
        let delivered = world.deliver().await;
        let delivered = delivered.unwrap_or_else(|error| panic!("{moment:?} {at}: {error}"));
        world.assert_delivered(&delivered).await;
        if !is_ended {
            break;
        }
        ends += 1;
    }
    // All of them: there are at least those of the API, and the last one was never reached.
    assert!((20..MANY).contains(&ends), "{ends}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_delivery_goes_on_after_an_end_before_each_request() {
    end_everywhere(Moment::Before, false, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_delivery_goes_on_after_an_end_after_each_request() {
    end_everywhere(Moment::After, false, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_further_delivery_goes_on_after_an_end_before_each_request() {
    end_everywhere(Moment::Before, true, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_further_delivery_goes_on_after_an_end_after_each_request() {
    end_everywhere(Moment::After, true, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pushing_to_an_empty_repository_goes_on_after_an_end_after_each_request() {
    end_everywhere(Moment::After, false, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_replaces_one_that_was_cut_off_before_it_was_released() {
    let mut world = World::new(true).await;
    world.deliver().await.unwrap();
    world.change();
    world.server.hold(None);
    world.deliver().await.unwrap();
    let of_update = world.server.hold(None);

    // The same in another world, cut off in its last request, which is that of the release.
    let mut world = World::new(true).await;
    world.deliver().await.unwrap();
    world.change();
    assert!(world.deliver_and_end(of_update - 1, Moment::Before).await);
    world.change();
    let sick = world.source.commit.clone();
    world.server.fly.lock().unwrap().sick.insert(sick);
    world.deliver().await.unwrap_err();
    // Not the second, of which nobody knows whether it was good.
    assert_eq!(world.running(), crate::world::commit(1));
}
