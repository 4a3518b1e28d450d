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

type connection struct {
	Host                           string
	Port                           *float64
	User, HostKey, AgentSocketPath *string
	Password                       *string
	PrivateKey, PrivateKeyPassword *string
	DialErrorLimit, PerDialTimeout *int
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

	var session *ssh.Session
	if t.Connection != nil {
		var err error
		dialled := func(failures, limit int) { c.say(urn, fmt.Sprintf("Dial %d/%d failed: retrying", failures, limit)) }
		if session, err = t.session(ctx, dialled); err != nil {
			return output{}, err
		}
		defer session.Close()
	}
	reader, writer := io.Pipe()
	logged := make(chan struct{})
	go func() {
		c.log(urn, reader)
		close(logged)
	}()
	var both shared
	out, errs := &stream{both: &both}, &stream{both: &both}
	if t.Logging == "stdout" || t.Logging == "stdoutAndStderr" {
		out.log = writer
	}
	if t.Logging == "stderr" || t.Logging == "stdoutAndStderr" {
		errs.log = writer
	}
	var stdin io.Reader
	if t.Stdin != nil && *t.Stdin != "" {
		stdin = strings.NewReader(*t.Stdin)
	}

	var err error
	if session != nil { // which nothing cuts short
		session.Stdin, session.Stdout, session.Stderr = stdin, out, errs
		err = session.Run(command)
	} else {
		err = t.here(ctx, command, stdin, out, errs)
	}
	writer.Close()
	<-logged
	if err != nil {
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
	return cmd.Run() // an interrupt kills it at once
}

// session connects, and begins what a command is run in.  The connection stays until the provider ends.
func (t *task) session(ctx context.Context, failed func(failures, limit int)) (*ssh.Session, error) {
	client, err := t.Connection.dial(ctx, failed)
	if err != nil {
		return nil, err
	}
	session, err := client.NewSession()
	if err != nil {
		return nil, err
	}
	for key, value := range t.environment() {
		if err := session.Setenv(key, value); err != nil {
			return nil, fmt.Errorf("environment variable %q is not accepted (AcceptEnv in sshd's configuration): %w", key, err)
		}
	}
	return session, nil
}

// dial tries until it succeeds or dialErrorLimit tries more than one have failed.  perDialTimeout bounds the TCP
// connection of each, and not the handshake.
func (c *connection) dial(ctx context.Context, failed func(failures, limit int)) (*ssh.Client, error) {
	config, err := c.config()
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort(c.Host, strconv.Itoa(int(or(c.Port, 22))))
	limit := or(c.DialErrorLimit, 10)
	pause := 100 * time.Millisecond
	for failures := 1; ; failures++ {
		client, err := ssh.Dial("tcp", address, config)
		if err == nil {
			return client, nil
		}
		if limit >= 0 && failures > limit {
			return nil, fmt.Errorf("after %d failed attempts: %w", limit, err)
		}
		failed(failures, limit)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
		pause = min(pause*3/2, 5*time.Second)
	}
}

// config makes the SSH client's settings.
func (c *connection) config() (*ssh.ClientConfig, error) {
	config := &ssh.ClientConfig{
		User: or(c.User, "root"), HostKeyCallback: ssh.InsecureIgnoreHostKey(), //nolint:gosec // as documented
		Timeout: time.Duration(or(c.PerDialTimeout, 15)) * time.Second,
	}
	if c.HostKey != nil {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*c.HostKey))
		if err != nil {
			return nil, errors.New("connection.hostKey: not a public key in OpenSSH's form")
		}
		config.HostKeyCallback = ssh.FixedHostKey(key)
	}
	if c.PrivateKey != nil {
		var signer ssh.Signer
		var err error
		if c.PrivateKeyPassword != nil {
			signer, err = ssh.ParsePrivateKeyWithPassphrase([]byte(*c.PrivateKey), []byte(*c.PrivateKeyPassword))
		} else {
			signer, err = ssh.ParsePrivateKey([]byte(*c.PrivateKey))
		}
		if err != nil {
			return nil, errors.New("connection.privateKey: not a private key that can be read")
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	if c.Password != nil {
		answer := func(_, _ string, questions []string, _ []bool) ([]string, error) {
			answers := make([]string, len(questions))
			for i := range answers {
				answers[i] = *c.Password
			}
			return answers, nil
		}
		config.Auth = append(config.Auth, ssh.Password(*c.Password), ssh.KeyboardInteractive(answer))
	}
	if socket := or(c.AgentSocketPath, os.Getenv("SSH_AUTH_SOCK")); socket != "" {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return nil, err
		}
		config.Auth = append(config.Auth, ssh.PublicKeysCallback(agent.NewClient(conn).Signers))
	}
	return config, nil
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

// stream keeps one stream's output, and passes it on to be logged.
type stream struct {
	both *shared
	all  bytes.Buffer
	log  io.Writer // nil: silent
}

func (s *stream) Write(text []byte) (int, error) {
	s.all.Write(text)
	s.both.add(text)
	if s.log == nil {
		return len(text), nil
	}
	return s.log.Write(text)
}
