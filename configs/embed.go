// Package configs carries the example configuration and the carrier profiles
// inside the program, so that `profile: default` needs no file beside it, and
// the examples of the simulator. It refuses to know what they mean: cmd/fanline
// reads them.
//
//	raw, err := configs.Files.ReadFile("carriers/default.yaml")
package configs

import "embed"

// Files holds fanline.yaml, carriers/*.yaml and what `fanline smsc init` writes.
//
//go:embed fanline.yaml carriers/*.yaml simulator
var Files embed.FS
