package main

import (
	"os"
	"path/filepath"
	"time"
)

// Config is everything that a process is told from outside. configs/fanline.yaml
// documents each key; a test holds that none is missing there.
type Config struct {
	Data       string           `yaml:"data"`
	Log        LogConfig        `yaml:"log"`
	ClickHouse ClickHouseConfig `yaml:"clickhouse"`
	Store      StoreConfig      `yaml:"store"`
	HTTP       HTTPConfig       `yaml:"http"`
	SigningKey Secret           `yaml:"signing_key" secret:"made"`
	Program    ProgramConfig    `yaml:"program"`
	Sending    SendingConfig    `yaml:"sending"`
	Carriers   []CarrierConfig  `yaml:"carriers"`
	Numbers    []NumberConfig   `yaml:"numbers"`
	Routes     RoutesConfig     `yaml:"routes"`
	Lookup     LookupConfig     `yaml:"lookup"`
}

// LogConfig names the Kafka brokers; none means the embedded one.
type LogConfig struct {
	Brokers []string `yaml:"brokers"`
}

// ClickHouseConfig names the analytics servers; none means the embedded one,
// which is loaded from Library.
type ClickHouseConfig struct {
	Addresses []string `yaml:"addresses"`
	User      string   `yaml:"user"`
	Password  Secret   `yaml:"password"`
	Database  string   `yaml:"database"`
	Library   string   `yaml:"library"`
}

// StoreConfig names the SQL store; empty means SQLite in the data directory.
// A URL may carry a password, so it is a secret, but it may stand in the file.
type StoreConfig struct {
	URL Secret `yaml:"url" secret:"plain"`
}

// HTTPConfig is where the edge listens and how the world reaches it.
type HTTPConfig struct {
	Listen    string `yaml:"listen"`
	PublicURL string `yaml:"public_url"`
}

// ProgramConfig is what carriers require every program to say about itself.
type ProgramConfig struct {
	Name string `yaml:"name"`
	Help string `yaml:"help"`
}

// SendingConfig holds the defaults of a broadcast.
type SendingConfig struct {
	Policy       string        `yaml:"policy"`
	Validity     time.Duration `yaml:"validity"`
	ReceiptGrace time.Duration `yaml:"receipt_grace"`
}

// CarrierConfig is one account at an operator.
type CarrierConfig struct {
	Name           string        `yaml:"name"`
	Profile        string        `yaml:"profile"`
	Hosts          []string      `yaml:"hosts"`
	Failover       string        `yaml:"failover"`
	LocalAddress   string        `yaml:"local_address"`
	TLS            TLSConfig     `yaml:"tls"`
	Bind           string        `yaml:"bind"`
	Binds          int           `yaml:"binds"`
	SystemID       string        `yaml:"system_id"`
	Password       Secret        `yaml:"password"`
	SystemType     string        `yaml:"system_type"`
	Window         int           `yaml:"window"`
	LimitPerSecond int           `yaml:"limit_per_second"`
	EnquireLink    time.Duration `yaml:"enquire_link"`
	Response       time.Duration `yaml:"response_timeout"`
	ReconnectMin   time.Duration `yaml:"reconnect_min"`
	ReconnectMax   time.Duration `yaml:"reconnect_max"`
}

// TLSConfig is how a carrier's hosts are spoken to; they are always verified.
type TLSConfig struct {
	Enabled     bool   `yaml:"enabled"`
	CA          string `yaml:"ca"`
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	ServerName  string `yaml:"server_name"`
}

// NumberConfig is one sender of a leader.
type NumberConfig struct {
	Number         string      `yaml:"number"`
	Kind           string      `yaml:"kind"`
	Leader         string      `yaml:"leader"`
	Carriers       []string    `yaml:"carriers"`
	LimitPerSecond int         `yaml:"limit_per_second"`
	Retry          RetryConfig `yaml:"retry_undelivered"`
	// Addresses stand for the number at carriers, TLVs are the values of their
	// profiles' parameters.
	Addresses map[string]string `yaml:"addresses"`
	TLVs      map[string]string `yaml:"tlvs"`
}

// defaultConfig is what an empty file means.
func defaultConfig() Config {
	return Config{
		Data:       "./data",
		ClickHouse: ClickHouseConfig{User: "default", Database: "fanline"},
		HTTP:       HTTPConfig{Listen: "127.0.0.1:8080", PublicURL: "http://127.0.0.1:8080"},
		Program:    ProgramConfig{Name: "Demo", Help: "help@example.com"},
		Sending:    SendingConfig{Policy: "at-most-once", Validity: 4 * time.Hour, ReceiptGrace: 24 * time.Hour},
		Lookup:     defaultLookup(),
	}
}

// setDefaults is called on each carrier before its keys are read.
func (c *CarrierConfig) setDefaults() {
	*c = CarrierConfig{
		Profile: "default", Failover: "spread", Bind: "transceiver", Binds: 1, Window: 10, Response: 10 * time.Second,
		ReconnectMax: 30 * time.Second,
	}
}

// setDefaults is called on each number before its keys are read.
func (n *NumberConfig) setDefaults() { n.Kind, n.Retry = "long_code", defaultRetry() }

// LoadConfig reads a file (none when path is empty), then the environment. The
// error is a Problems that names all that is wrong, each with its place.
func LoadConfig(path string, env []string) (*Config, error) {
	return loadConfig(path, "", env)
}

// loadConfig is LoadConfig with the data directory of a --data flag, which
// wins over file and environment.
func loadConfig(path, data string, env []string) (*Config, error) {
	var raw []byte
	if path != "" {
		var err error
		if raw, err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	config := defaultConfig()
	r := newConfigReader(path, env)
	r.file(raw, &config)
	r.environment(&config)
	if data != "" {
		config.Data = data
	}
	if config.SigningKey.ref == "" && config.SigningKey.reveal == nil {
		r.scalar("signing_key", "file:"+filepath.Join(config.Data, "signing.key"), fieldOf(&config.SigningKey, "made"))
	}
	r.validate(&config)
	if len(r.problems) > 0 {
		return nil, r.sorted()
	}
	return &config, nil
}
