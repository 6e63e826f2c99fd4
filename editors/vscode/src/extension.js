// Starts `akc lsp`, and shows what its two commands answer.
const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;
const shown = new Map(); // address of a read-only text to its content
const SCHEME = "akc";

function settings() {
  return vscode.workspace.getConfiguration("akc");
}

async function start() {
  const [command, ...args] = settings().get("command");
  const server = { command, args };
  client = new LanguageClient("akc", "akc lsp", server, {
    documentSelector: [{ language: "akir", scheme: "file" }, { language: "akir", scheme: "untitled" }],
    initializationOptions: { target: settings().get("target") },
    synchronize: { configurationSection: "akc" },
  });
  try {
    await client.start();
  } catch (error) {
    vscode.window.showErrorMessage(`${command} ${args.join(" ")} does not start (pip install 'akc[lsp]'): ${error.message}`);
  }
}

// The address of the text in front, and what the server answers to a command about it; it shows faults itself.
async function ask(command) {
  const editor = vscode.window.activeTextEditor;
  if (!client || !editor || editor.document.languageId !== "akir") return undefined;
  const address = client.code2ProtocolConverter.asUri(editor.document.uri);
  return client.sendRequest("workspace/executeCommand", { command, arguments: [address] });
}

// A read-only text beside the editor. `name` is its title; texts with .akir at the end are coloured.
function uriOf(name, content) {
  const uri = vscode.Uri.from({ scheme: SCHEME, path: `/${name}` });
  shown.set(uri.toString(), content);
  changed.fire(uri);
  return uri;
}

async function show(uri) {
  const document = await vscode.workspace.openTextDocument(uri);
  await vscode.window.showTextDocument(document, { viewColumn: vscode.ViewColumn.Beside, preview: true });
}

const changed = new vscode.EventEmitter();

async function report() {
  const text = await ask("akc.report");
  if (text) await show(uriOf("report.txt", text));
}

// The stages in a list; one that is picked is compared with the one before it.
async function passes() {
  const stages = await ask("akc.passes");
  if (!stages) return;
  const items = stages.map((stage, at) => ({ label: `${at} ${stage.name}`, at }));
  const picked = await vscode.window.showQuickPick(items, { placeHolder: "The text after which pass?" });
  if (!picked) return;
  const uri = (at) => uriOf(`${String(at).padStart(2, "0")}-${stages[at].name.replace(/ /g, "-")}.akir`, stages[at].text);
  if (picked.at === 0) return show(uri(0));
  await vscode.commands.executeCommand("vscode.diff", uri(picked.at - 1), uri(picked.at), `after ${stages[picked.at].name}`);
}

async function restart() {
  if (client) await client.stop();
  await start();
}

async function activate(context) {
  const provider = { onDidChange: changed.event, provideTextDocumentContent: (uri) => shown.get(uri.toString()) };
  context.subscriptions.push(
    vscode.workspace.registerTextDocumentContentProvider(SCHEME, provider),
    vscode.commands.registerCommand("akir.report", report),
    vscode.commands.registerCommand("akir.passes", passes),
    vscode.commands.registerCommand("akir.restart", restart),
  );
  await start();
}

function deactivate() {
  return client ? client.stop() : undefined;
}

module.exports = { activate, deactivate };
