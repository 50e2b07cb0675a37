//! Guests that try everything, and the peers that have them do it. The suite asserts that the host lives through each, the
//! performance suite how little their neighbour notices.

pub mod attacks;
pub mod crowds;
pub mod drive;
pub mod long_calls;
pub mod pairs;
pub mod wat;
