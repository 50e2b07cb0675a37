//! Guests that try everything, and the peers that have them do it. The suite asserts that the host lives through each, the
//! performance suite how little their neighbour notices.

pub mod attacks;
pub mod drive;
pub mod pairs;
pub mod wat;
