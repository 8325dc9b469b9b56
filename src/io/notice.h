/* SPDX-License-Identifier: MIT */
/* Events of the sockets, straight to the endpoint's subscribers: io sees the public headers only. */
#ifndef TERN_IO_NOTICE_H
#define TERN_IO_NOTICE_H

#include <tern/base.h>
#include <tern/event.h>

struct tern_notice {
  const tern_event_subscriber *subscribers;
  size_t count;
  tern_time now; /* set by the loop each turn */
};

static inline void tern_notice_emit(const struct tern_notice *notice, tern_event *event)
{
  event->time = notice->now;
  for (size_t i = 0; i < notice->count; i++) {
    const tern_event_subscriber *subscriber = &notice->subscribers[i];
    if ((subscriber->mask & tern_event_mask_of(event->kind)) != 0)
      subscriber->on_event(subscriber->arg, event);
  }
}

#endif
