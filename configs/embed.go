// Package configs carries the example configuration and the carrier profiles
// inside the program, so that `profile: default` needs no file beside it. It
// refuses to know what they mean: cmd/fanline reads them.
//
//	raw, err := configs.Files.ReadFile("carriers/default.yaml")
package configs

import "embed"

// Files holds fanline.yaml and carriers/*.yaml.
//
//go:embed fanline.yaml carriers/*.yaml
var Files embed.FS
