package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"google.golang.org/protobuf/types/known/structpb"
)

// task is one Command resource with everything known.
type task struct {
	Create, Update, Delete, Stdin, Dir *string
	Environment                        map[string]string
	Interpreter                        []string
	Logging                            string
	AddPreviousOutputInEnv             *bool
	Connection                         *connection

	previousStdout, previousStderr string
}

type endpoint struct {
	Host                           string
	Port                           *float64
	User, HostKey, AgentSocketPath *string
	Password                       *string
	PrivateKey, PrivateKeyPassword *string
	DialErrorLimit, PerDialTimeout *int
}

type connection struct {
	endpoint
	Proxy *endpoint
}

type output struct{ stdout, stderr string }

// newTask decodes a resource's inputs; before is its state so far.
func newTask(kind string, inputs *structpb.Struct, before resource.PropertyMap) (*task, error) {
	properties, err := read(inputs, false)
	if err != nil {
		return nil, err
	}
	// Triggers may hold anything, assets too, and are no business of the command.
	delete(properties, "triggers")
	text, err := json.Marshal(properties.Mappable())
	if err != nil {
		return nil, err
	}
	result := &task{Logging: "stdoutAndStderr"}
	if err := json.Unmarshal(text, result); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) { // the error's own text would show the value, which may be a key
			return nil, fmt.Errorf("input %s: expected %s", wrong.Field, wrong.Type)
		}
		return nil, errors.New("the inputs cannot be read")
	}
	if kind == remoteType && result.Connection == nil {
		return nil, errors.New("connection: missing")
	}
	if value := before["stdout"]; value.IsString() {
		result.previousStdout = value.StringValue()
	}
	if value := before["stderr"]; value.IsString() {
		result.previousStderr = value.StringValue()
	}
	return result, nil
}

// environment is what the command gets beside its machine's own.
func (t *task) environment() map[string]string {
	result := map[string]string{}
	if t.AddPreviousOutputInEnv == nil || *t.AddPreviousOutputInEnv {
		if t.previousStdout != "" {
			result["PULUMI_COMMAND_STDOUT"] = t.previousStdout
		}
		if t.previousStderr != "" {
			result["PULUMI_COMMAND_STDERR"] = t.previousStderr
		}
	}
	for key, value := range t.Environment {
		result[key] = value
	}
	return result
}

// run runs one command to its end.  The error of a failed one holds the command and its output.
func (c *commands) run(ctx context.Context, urn string, t *task, command string) (output, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.stopping, cancel)()

	say := func(line string) { c.log(urn, line) }
	var both shared
	out := &stream{both: &both}
	errs := &stream{both: &both}
	if t.Logging == "stdout" || t.Logging == "stdoutAndStderr" {
		out.say = say
	}
	if t.Logging == "stderr" || t.Logging == "stdoutAndStderr" {
		errs.say = say
	}
	var stdin io.Reader
	if t.Stdin != nil && *t.Stdin != "" {
		stdin = strings.NewReader(*t.Stdin)
	}

	var err error
	if t.Connection != nil {
		var client *ssh.Client
		if client, err = t.Connection.dial(ctx, say); err != nil {
			return output{}, err
		}
		defer client.Close()
		err = t.overSSH(ctx, client, say, command, stdin, out, errs)
	} else {
		err = t.here(ctx, command, stdin, out, errs)
	}
	out.flush()
	errs.flush()
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("interrupted: %w", err)
		}
		return output{}, fmt.Errorf("%w: running %q:\n%s", err, command, both.text())
	}
	return output{
		stdout: strings.TrimSuffix(out.all.String(), "\n"),
		stderr: strings.TrimSuffix(errs.all.String(), "\n"),
	}, nil
}

func (t *task) here(ctx context.Context, command string, stdin io.Reader, out, errs io.Writer) error {
	interpreter := t.Interpreter
	if len(interpreter) == 0 {
		interpreter = []string{"/bin/sh", "-c"}
	}
	cmd := exec.CommandContext(ctx, interpreter[0], append(interpreter[1:], command)...) //nolint:gosec // its purpose
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, out, errs
	if t.Dir != nil {
		cmd.Dir = *t.Dir
	}
	cmd.Env = os.Environ()
	for key, value := range t.environment() {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	// An interrupt ends the command's children with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd.Run()
}

func (t *task) overSSH(
	ctx context.Context, client *ssh.Client, say func(string), command string, stdin io.Reader, out, errs io.Writer,
) error {
	defer context.AfterFunc(ctx, func() { client.Close() })()
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()
	for key, value := range t.environment() {
		if err := session.Setenv(key, value); err != nil {
			say(fmt.Sprintf("environment variable %s: not accepted by the server (AcceptEnv in its sshd_config)", key))
		}
	}
	session.Stdin, session.Stdout, session.Stderr = stdin, out, errs
	return session.Run(command)
}

// dial connects, by way of the proxy if there is one.
func (c *connection) dial(ctx context.Context, say func(string)) (*ssh.Client, error) {
	direct := func(ctx context.Context, address string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}
	if c.Proxy == nil {
		return c.endpoint.dial(ctx, say, direct)
	}
	proxy, err := c.Proxy.dial(ctx, say, direct)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	client, err := c.endpoint.dial(ctx, say, func(ctx context.Context, address string) (net.Conn, error) {
		return proxy.DialContext(ctx, "tcp", address)
	})
	if err != nil {
		proxy.Close()
		return nil, err
	}
	go func() {
		_ = client.Wait() // the proxy's connection lasts as long as the one through it
		proxy.Close()
	}()
	return client, nil
}

// dial tries until it succeeds or dialErrorLimit tries more than one have failed.
func (e *endpoint) dial(
	ctx context.Context, say func(string), connect func(context.Context, string) (net.Conn, error),
) (*ssh.Client, error) {
	config, release, err := e.config()
	if err != nil {
		return nil, err
	}
	defer release()
	address := net.JoinHostPort(e.Host, strconv.Itoa(int(or(e.Port, 22))))
	limit := or(e.DialErrorLimit, 10)
	pause := 100 * time.Millisecond
	for failures := 1; ; failures++ {
		client, err := e.once(ctx, connect, address, config)
		if err == nil {
			return client, nil
		}
		if limit >= 0 && failures > limit {
			return nil, fmt.Errorf("after %d failed attempts: %w", failures, err)
		}
		if failures%5 == 0 {
			say(fmt.Sprintf("dial %s: failed %d times so far, retrying: %v", address, failures, err))
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("dial %s: %w", address, context.Cause(ctx))
		case <-time.After(pause):
		}
		pause = min(pause*3/2, 5*time.Second)
	}
}

// once tries a single time; perDialTimeout bounds the TCP connection and the SSH handshake together.
func (e *endpoint) once(
	ctx context.Context, connect func(context.Context, string) (net.Conn, error),
	address string, config *ssh.ClientConfig,
) (*ssh.Client, error) {
	var deadline time.Time
	if seconds := or(e.PerDialTimeout, 15); seconds > 0 {
		deadline = time.Now().Add(time.Duration(seconds) * time.Second)
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	raw, err := connect(ctx, address)
	if err != nil {
		return nil, err
	}
	// Closed on the deadline and on an interrupt: a connection through a proxy knows no deadlines.
	disarm := context.AfterFunc(ctx, func() { raw.Close() })
	secure, channels, requests, err := ssh.NewClientConn(raw, address, config)
	if !disarm() && err == nil {
		secure.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	return ssh.NewClient(secure, channels, requests), nil
}

// config makes the SSH client's settings; release frees what they hold once connected.
func (e *endpoint) config() (config *ssh.ClientConfig, release func(), err error) {
	release = func() {}
	config = &ssh.ClientConfig{User: or(e.User, "root"), HostKeyCallback: ssh.InsecureIgnoreHostKey()} //nolint:gosec // as documented
	if e.HostKey != nil {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*e.HostKey))
		if err != nil {
			return nil, nil, errors.New("connection.hostKey: not a public key in OpenSSH's form")
		}
		config.HostKeyCallback = ssh.FixedHostKey(key)
	}
	if e.PrivateKey != nil {
		var signer ssh.Signer
		var err error
		if e.PrivateKeyPassword != nil {
			signer, err = ssh.ParsePrivateKeyWithPassphrase([]byte(*e.PrivateKey), []byte(*e.PrivateKeyPassword))
		} else {
			signer, err = ssh.ParsePrivateKey([]byte(*e.PrivateKey))
		}
		if err != nil {
			return nil, nil, errors.New("connection.privateKey: not a private key that can be read")
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	if e.Password != nil {
		answer := func(_, _ string, questions []string, _ []bool) ([]string, error) {
			answers := make([]string, len(questions))
			for i := range answers {
				answers[i] = *e.Password
			}
			return answers, nil
		}
		config.Auth = append(config.Auth, ssh.Password(*e.Password), ssh.KeyboardInteractive(answer))
	}
	if socket := or(e.AgentSocketPath, os.Getenv("SSH_AUTH_SOCK")); socket != "" {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return nil, nil, fmt.Errorf("SSH agent: %w", err)
		}
		release = func() { conn.Close() }
		config.Auth = append(config.Auth, ssh.PublicKeysCallback(agent.NewClient(conn).Signers))
	}
	return config, release, nil
}

func or[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}

// shared is the output of both streams in the order of its arrival.
type shared struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (s *shared) add(text []byte) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.buffer.Write(text)
}

func (s *shared) text() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.buffer.String()
}

// stream keeps one stream's output and says it line by line.
type stream struct {
	both *shared
	all  bytes.Buffer
	rest []byte       // a line that has not ended yet
	say  func(string) // nil: silent
}

func (s *stream) Write(text []byte) (int, error) {
	s.all.Write(text)
	s.both.add(text)
	if s.say != nil {
		s.rest = append(s.rest, text...)
		for {
			line, rest, found := bytes.Cut(s.rest, []byte("\n"))
			if !found {
				break
			}
			s.say(string(line))
			s.rest = rest
		}
	}
	return len(text), nil
}

func (s *stream) flush() {
	if len(s.rest) > 0 {
		s.say(string(s.rest))
		s.rest = nil
	}
}
