// What the host calls of a program. The transform gives each function the name above it.
import { resultOf } from "./exports";
import { running } from "./program";

const nothing = new Uint8Array(0);

// exports sandloop:plugin/lifecycle@0.1.1#prepare
export function prepare(): usize { return resultOf(nothing, running().prepare()); }

// exports sandloop:plugin/lifecycle@0.1.1#start
export function start(): usize { return resultOf(nothing, running().start()); }

// exports sandloop:plugin/lifecycle@0.1.1#stopping
export function stopping(): void { running().stopping(); }

// exports sandloop:plugin/lifecycle@0.1.1#stopped
export function stopped(): void { running().stopped(); }
