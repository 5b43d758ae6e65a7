// A client of `psij-like rpc` in plain JavaScript (Node.js): submits jobs and follows them, on any scheduler.
//
//     const psij = new PsijClient()
//     const job = await psij.submit('slurm', { executable: '/bin/date', stdout_path: '/home/me/date.txt' })
//     console.log((await job.ended).state)
//     psij.close()

const { spawn } = require('node:child_process')
const { createInterface } = require('node:readline')

class PsijClient {
  constructor (command = ['psij-like', 'rpc']) {
    this.requests = new Map() // what waits for its answer, by the number of the request
    this.jobs = new Map() // those that have not ended, by id
    this.count = 0
    this.process = spawn(command[0], command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] })
    this.process.on('error', error => this.gone(error))
    this.process.on('exit', code => this.gone(new Error(`${command.join(' ')} has ended (${code})`)))
    createInterface({ input: this.process.stdout }).on('line', line => this.receive(JSON.parse(line)))
  }

  // Any method of the interface: capabilities, status, cancel, hold, release, info, list, recover ...
  call (method, params = {}) {
    const id = ++this.count
    this.process.stdin.write(JSON.stringify({ jsonrpc: '2.0', id, method, params }) + '\n')
    return new Promise((resolve, reject) => this.requests.set(id, { resolve, reject }))
  }

  // A job that was submitted: its ids, its status, `ended` (a promise of its last status); onStatus hears every change.
  async submit (executor, spec, onStatus = () => {}) {
    return this.follow(await this.call('submit', { executor, spec }), onStatus)
  }

  async attach (executor, nativeId, onStatus = () => {}) {
    return this.follow(await this.call('attach', { executor, native_id: nativeId }), onStatus)
  }

  follow ({ id, native_id: nativeId }, onStatus) {
    const job = { id, nativeId, status: { state: 'NEW' }, onStatus }
    job.ended = new Promise((resolve, reject) => Object.assign(job, { resolve, reject }))
    job.ended.catch(() => {}) // who does not wait for it is told by `status` alone
    this.jobs.set(id, job)
    return job
  }

  receive (message) {
    if (message.method === 'status') return this.changed(message.params)
    const request = this.requests.get(message.id)
    this.requests.delete(message.id)
    if (message.error) request.reject(Object.assign(new Error(message.error.message), message.error))
    else request.resolve(message.result)
  }

  // News of a job come right behind the answer that gave its id: `follow` has to be first.
  changed ({ id, status }) {
    queueMicrotask(() => setImmediate(() => {
      const job = this.jobs.get(id)
      if (job === undefined) return
      job.status = status
      job.onStatus(job, status)
      if (['COMPLETED', 'FAILED', 'CANCELED'].includes(status.state)) this.jobs.delete(id), job.resolve(status)
    }))
  }

  gone (error) {
    for (const waiting of [...this.requests.values(), ...this.jobs.values()]) waiting.reject(error)
  }

  // The jobs go on.
  close () {
    this.process.stdin.end()
  }
}

module.exports = { PsijClient }
