//! A running script.

use std::collections::BTreeMap;

use serde_json::Value;

use super::reply::enterable;
use super::thing::Thing;
use super::things::{Things, not_running};
use super::variables::Vars;
use crate::env::ToolKind;
use crate::error::{Error, Result};
use crate::filter::{Filter, apply_all};
use crate::log::Msg;
use crate::process::Output;
use crate::script::header::keys::Header;
use crate::test::Test;
use crate::tools::{NbdServer, QemuIoInteractive, StorageDaemon};
use crate::vm::{Vm, VmBuilder};

/// A running script: its variables, the last reply, and all that it has started. What uses a server
/// ends before the server does.
#[derive(Debug)]
pub(crate) struct Running<'t> {
    pub(crate) test: &'t Test,
    pub(crate) vars: Vars,
    reply: Option<Value>,
    /// Whether the line that replied was guarded.
    reply_is_guarded: bool,
    filters: Vec<Filter>,
    pub(crate) sessions: Things<QemuIoInteractive>,
    vms: BTreeMap<String, Vm>,
    pub(crate) daemons: Things<StorageDaemon>,
    pub(crate) servers: Things<NbdServer>,
}

impl<'t> Running<'t> {
    pub(crate) fn new(test: &'t Test, header: &Header) -> Result<Self> {
        Ok(Self {
            test,
            vars: Vars::new(test, header)?,
            reply: None,
            reply_is_guarded: false,
            filters: header.filters.iter().map(|word| word.filter(test)).collect(),
            sessions: Things::new(Thing::Session),
            vms: BTreeMap::new(),
            daemons: Things::new(Thing::StorageDaemon),
            servers: Things::new(Thing::NbdServer),
        })
    }

    /// The reply that assertions look at.
    pub(crate) fn reply(&self) -> Result<&Value> {
        self.reply.as_ref().ok_or_else(|| {
            Error::misuse(
                "there is no reply to look at: the last command that could have one gave none, or was not run",
            )
        })
    }

    /// Keeps what the last line replied, if anything.
    pub(crate) fn keep_reply(&mut self, reply: Option<Value>, guarded: bool) {
        self.reply = reply.map(enterable);
        self.reply_is_guarded = guarded;
    }

    /// Notes that a line which could have replied was not run. That leaves no older reply in its place,
    /// unless it is of another line with a guard: the two may be meant for different formats.
    pub(crate) fn miss_reply(&mut self) {
        if !self.reply_is_guarded {
            self.reply = None;
        }
    }

    /// What everything of a command goes through on its way to the log: `own` are those of the
    /// command.
    pub(crate) fn filters(&self, own: &[Filter]) -> Vec<Filter> {
        let paths = self.test.context().paths();
        let sockets = paths.sock_dir.clone();
        let hidden = [
            self.test.filter_testfiles(),
            // A script has variables for the directories as well.
            Filter::test_dir(&paths.test_dir),
            Filter::custom_text(move |text| text.replace(&sockets, "SOCK_DIR")),
        ];
        [own, &hidden, &self.filters].concat()
    }

    /// Logs a message; what says nothing leaves no line. A carriage return shows as `\r`, and the line end
    /// that ends the output of most programs makes no line of its own.
    pub(crate) fn log(&self, msg: impl Into<Msg>, own: &[Filter]) {
        let mut msg = msg.into();
        apply_all(&self.filters(own), &mut msg);
        let text = msg.render(None);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        if !text.is_empty() {
            self.test.log(text.replace('\r', "\\r"));
        }
    }

    /// Logs what a tool printed.
    pub(crate) fn log_output(&self, output: &Output, own: &[Filter]) {
        self.log(output.raw(), own);
    }

    /// Programs name themselves in messages by what they were started as.
    pub(crate) fn program_names(&self) -> Filter {
        let tool = self.test.context().env().tool(ToolKind::Qemu);
        let name = tool.ok().and_then(|tool| tool.program.file_name()).and_then(|name| name.to_str());
        let prefix = name.map_or_else(String::new, |name| format!("{name}:"));
        Filter::custom_text(move |text| {
            if prefix.is_empty() { text.to_owned() } else { text.replace(&prefix, "QEMU_PROG:") }
        })
    }

    /// The VM of this name, made when it is first asked for.
    pub(crate) fn vm(&mut self, name: &str) -> &mut Vm {
        self.vms.entry(name.to_owned()).or_insert_with(|| match name {
            "" => self.test.vm().build(),
            name => self.test.vm_named(&format!("-{name}")).build(),
        })
    }

    /// The VM of this name, which must run.
    pub(crate) fn running_vm(&mut self, name: &str) -> Result<&mut Vm> {
        let vm = self.vm(name);
        if vm.pid().is_none() {
            return Err(not_running(Thing::Vm, name));
        }
        Ok(vm)
    }

    /// Changes what a VM starts with at its next launch.
    pub(crate) fn configure(
        &mut self,
        name: &str,
        change: impl FnOnce(VmBuilder) -> VmBuilder,
    ) -> Result<()> {
        let vm = self.vm(name);
        if vm.pid().is_some() {
            let called = Thing::Vm.called(name);
            return Err(Error::misuse(format!(
                "{called} runs: what it starts with can be changed before its launch, or after its end"
            )));
        }
        vm.configure(change);
        Ok(())
    }
}
