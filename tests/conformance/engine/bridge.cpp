// SPDX-License-Identifier: Apache-2.0
// Runs the vendor's engine, whose source its package deploys, on a bus that lives in Python.
//
// The engine sees a HardwareDriver that hands every access to a callback. All functions return 0, or
// 1 after a fault; `fault_text` then says what the engine's panic or the callback had to say.

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "akida/dense.h"
#include "akida/hardware_device.h"
#include "akida/hardware_ident.h"
#include "akida/input_conversion.h"
#include "akida/sparse.h"
#include "infra/hardware_driver.h"
#include "infra/system.h"

namespace {

using ReadCallback = int (*)(uint32_t address, uint8_t* data, size_t size);
using WriteCallback = int (*)(uint32_t address, const uint8_t* data, size_t size);
using SleepCallback = void (*)(uint32_t milliseconds);
using ClockCallback = int64_t (*)();

SleepCallback sleep_callback;
ClockCallback clock_callback;
std::string last_fault;

class CallbackDriver : public akida::HardwareDriver {
 public:
  CallbackDriver(ReadCallback read, WriteCallback write, const char* description, uint32_t registers,
                 uint32_t scratch, uint32_t scratch_size)
      : read_(read), write_(write), description_(description), registers_(registers), scratch_(scratch),
        scratch_size_(scratch_size) {}

  void read(uint32_t address, void* data, size_t size) const override {
    if (read_(address, static_cast<uint8_t*>(data), size)) throw std::runtime_error("the bus refused a read");
  }
  void write(uint32_t address, const void* data, size_t size) override {
    if (write_(address, static_cast<const uint8_t*>(data), size)) throw std::runtime_error("the bus refused a write");
  }
  const char* desc() const override { return description_.c_str(); }
  uint32_t scratch_memory() const override { return scratch_; }
  uint32_t scratch_size() const override { return scratch_size_; }
  uint32_t top_level_reg() const override { return registers_; }
  uint32_t akida_visible_memory() const override { return 0; }
  uint32_t akida_visible_memory_size() const override { return 0; }

 private:
  ReadCallback read_;
  WriteCallback write_;
  std::string description_;
  uint32_t registers_, scratch_, scratch_size_;
};

struct Engine {
  std::unique_ptr<CallbackDriver> driver;
  akida::HardwareDevicePtr device;
  std::vector<std::unique_ptr<std::vector<uint8_t>>> programs;  // the engine points into the last two
  akida::ProgramInfo info;

  std::vector<uint8_t>& keep(const uint8_t* bytes, size_t size) {
    programs.push_back(std::make_unique<std::vector<uint8_t>>(bytes, bytes + size));
    return *programs.back();
  }
};

template <typename Work>
int guarded(Work work) {
  try {
    work();
    return 0;
  } catch (const std::exception& fault) {
    last_fault = fault.what();
    return 1;
  }
}

akida::DenseUniquePtr make_input(const Engine& engine, const uint8_t* values) {
  auto shape = engine.info.input_dims();
  return akida::Dense::copy(reinterpret_cast<const char*>(values), akida::shape_size(shape),
                            akida::TensorType::uint8, shape, akida::Dense::Layout::RowMajor);
}

// Any output as int32, row-major.
void store_output(const akida::Tensor& output, int32_t* result) {
  akida::DenseUniquePtr converted;
  auto dense = akida::conversion::as_dense(output);
  if (dense == nullptr) {
    converted = akida::conversion::to_dense(dynamic_cast<const akida::Sparse&>(output));
    dense = converted.get();
  }
  if (dense->type() == akida::TensorType::int32) {
    std::memcpy(result, dense->data<int32_t>(), dense->size() * sizeof(int32_t));
    return;
  }
  auto levels = dense->data<uint8_t>();
  for (size_t i = 0; i < dense->size(); ++i) result[i] = levels[i];
}

}  // namespace

// What the engine asks of its surroundings.
extern "C" {
void msleep(uint32_t duration) { sleep_callback(duration); }
int64_t time_ms() { return clock_callback(); }
void kick_watchdog() {}
void panic(const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  throw std::runtime_error(text);
}

// What Python calls.
const char* fault_text() { return last_fault.c_str(); }

Engine* engine_open(ReadCallback read, WriteCallback write, SleepCallback sleep, ClockCallback clock,
                    const char* description, uint32_t registers, uint32_t scratch, uint32_t scratch_size) {
  sleep_callback = sleep;
  clock_callback = clock;
  auto engine = std::make_unique<Engine>();
  engine->driver =
      std::make_unique<CallbackDriver>(read, write, description, registers, scratch, scratch_size);
  if (guarded([&] { engine->device = akida::HardwareDevice::create(engine->driver.get()); })) return nullptr;
  return engine.release();
}

void engine_close(Engine* engine) {
  guarded([&] { engine->device.reset(); });
  delete engine;
}


int engine_program(Engine* engine, const uint8_t* program, size_t size) {
  return guarded([&] {
    engine->info = engine->device->program(engine->keep(program, size).data(), size);
  });
}

int engine_program_external(Engine* engine, const uint8_t* info, size_t size, uint32_t address) {
  return guarded([&] {
    engine->info = engine->device->program_external_data(engine->keep(info, size).data(), size, address);
  });
}

int engine_unprogram(Engine* engine) {
  return guarded([&] { engine->device->unprogram(); });
}

int engine_set_batch_size(Engine* engine, size_t size) {
  return guarded([&] { engine->device->set_batch_size(size, true); });
}

int engine_forward(Engine* engine, const uint8_t* inputs, size_t count, const int32_t* labels, int32_t* outputs) {
  return guarded([&] {
    const auto in_size = akida::shape_size(engine->info.input_dims());
    const auto out_size = akida::shape_size(engine->info.output_dims());
    std::vector<akida::TensorConstPtr> tensors;
    for (size_t i = 0; i < count; ++i) tensors.push_back(make_input(*engine, inputs + i * in_size));
    auto results = labels == nullptr
                       ? engine->device->forward(tensors)
                       : engine->device->fit(tensors, std::vector<int32_t>(labels, labels + count));
    for (size_t i = 0; i < count; ++i) store_output(*results[i], outputs + i * out_size);
  });
}

int engine_predict(Engine* engine, const uint8_t* input, float* result) {
  return guarded([&] {
    std::vector<akida::TensorConstPtr> tensors{make_input(*engine, input)};
    auto results = engine->device->predict(tensors);
    auto dense = akida::conversion::as_dense(*results[0]);
    std::memcpy(result, dense->data<float>(), dense->size() * sizeof(float));
  });
}

int engine_toggle_clock(Engine* engine, int enabled) {
  return guarded([&] { engine->device->toggle_clock_counter(enabled != 0); });
}

int engine_read_clocks(Engine* engine, uint32_t* clocks) {
  return guarded([&] {
    clocks[0] = engine->device->read_clock_counter();
    clocks[1] = engine->device->read_config_clock_counter();
  });
}

int engine_read_registers(Engine* engine, uint8_t column, uint8_t row, uint8_t id, uint32_t* words, uint32_t count) {
  return guarded([&] {
    akida::hw::Ident place{column, row, id};
    engine->device->read_np_registers(words, place, count);
  });
}

int engine_toggle_learn(Engine* engine, int enabled) {
  return guarded([&] { engine->device->toggle_learn(enabled != 0); });
}

size_t engine_learn_words(Engine* engine) { return engine->device->learn_mem_size(); }

int engine_read_learned(Engine* engine, uint32_t* words) {
  return guarded([&] { engine->device->learn_mem(words); });
}

int engine_write_learned(Engine* engine, const uint32_t* words) {
  return guarded([&] { engine->device->update_learn_mem(words); });
}
}
